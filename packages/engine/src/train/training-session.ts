/**
 * A model in training: steps on batches of sequences, evaluation, and the trained weights as a file. Knows nothing of
 * text, epochs or schedules: finetune.ts is made of it, and so can other loops be.
 */
import { BlockAttentionError } from '../errors.ts';
import { Backend } from '../ggml/device/backend.ts';
import type { Device } from '../ggml/ffi/library.ts';
import { type GgufFile, openGguf } from '../ggml/gguf/gguf-file.ts';
import { elementCount } from '../ggml/graph/tensor.ts';
import { type HyperParameters, readHyperParameters } from '../model/architecture/hyper-parameters.ts';
import { withoutGradient } from '../model/families/abilities.ts';
import type { ForwardModel } from '../model/graph/forward.ts';
import { type Adapter, loadAdapters } from '../model/weights/adapter.ts';
import { AdapterFile } from '../model/weights/adapter-file.ts';
import { bindWeights } from '../model/weights/bind-weights.ts';
import { type Batch, type BatchShape, makeBatch } from './data/batch.ts';
import { contextTokens, finalBlocks, packParts, responseTokensOf, sequenceTokens } from './data/packing.ts';
import { readState, writeState } from './files/state-file.ts';
import { writeAdapter } from './files/write-adapter.ts';
import { type SaveOptions, saveModel } from './files/write-model.ts';
import { KeptGraphs } from './graph/kept-graphs.ts';
import { checkDistill, FrozenTeacher } from './graph/teacher.ts';
import { TrainingGraph } from './graph/training-graph.ts';
import { AdamW, type AdamWSettings } from './optimizer/adamw.ts';
import { type LowRankOptions, LowRankParameters, lowRankOf } from './optimizer/low-rank-parameters.ts';
import { FullParameters, readTensor, type TrainableWeights } from './optimizer/parameters.ts';
import type { SequenceScores, StepReport, TrainingSequence } from './types.ts';

export interface TrainingOptions extends Partial<AdamWSettings> {
  /** Path of the GGUF to start from. */
  readonly model: string;
  /** Train adapters of low rank over the frozen weights. Defaults to training all weights, in f32. */
  readonly lora?: LowRankOptions | undefined;
  /**
   * Share, in (0, 1], of the divergence from the starting model with full attention in what is minimised; the rest is the
   * cross-entropy of the labels. Defaults to none: the starting model is not asked.
   */
  readonly distill?: number | undefined;
  /** Path of an ordinary LoRA that a writer is trained over: it acts on every token and stays as it is. Defaults to none. */
  readonly over?: string | undefined;
  /** Name of the context policy that the sequences are trained under, for the files that are written. Defaults to none. */
  readonly policy?: string | undefined;
  readonly device?: Device | undefined;
  /** Defaults to the environment's BLOCK_ATTENTION_THREADS, else the number of cores. */
  readonly threads?: number | undefined;
  /** Tokens computed at once; larger steps are cut into parts whose gradients add up. Defaults to 2048. */
  readonly batchTokens?: number | undefined;
}

/** The paper's recipe has no weight decay; β2 of 0.95 rather than 0.999, as is common for short runs. */
const defaults: AdamWSettings = { beta1: 0.9, beta2: 0.95, epsilon: 1e-8, weightDecay: 0, clip: 1 };
/** Placed graphs kept for shapes that come back. They share their scratch memory. */
const keptGraphs = 16;

/** TrainingSession.open() for a caller that has opened the adapter to start from. */
export let openSession: (options: TrainingOptions, start: AdapterFile | undefined) => Promise<TrainingSession>;

export class TrainingSession {
  static {
    openSession = (options, start) => TrainingSession.#open(options, start);
  }

  /** Tokens that there are: ids are below. */
  readonly vocabulary: number;
  /** Numbers that are trained. */
  readonly trainedParameters: number;
  readonly #file: GgufFile;
  readonly #backend: Backend;
  readonly #storage: TrainableWeights;
  readonly #model: ForwardModel;
  readonly #teacher: FrozenTeacher | undefined;
  readonly #optimizer: AdamW;
  readonly #batchTokens: number;
  readonly #policy: string | undefined;
  readonly #graphs: KeptGraphs<TrainingGraph>;
  #disposed = false;

  private constructor(
    file: GgufFile,
    hyperParameters: HyperParameters,
    backend: Backend,
    storage: TrainableWeights,
    teacher: FrozenTeacher | undefined,
    options: TrainingOptions,
  ) {
    this.#teacher = teacher;
    this.vocabulary = hyperParameters.vocabulary;
    this.#file = file;
    this.#backend = backend;
    this.#storage = storage;
    this.#model = { hyperParameters, weights: bindWeights(storage, hyperParameters) };
    this.#batchTokens = options.batchTokens ?? 2048;
    this.#policy = options.policy;
    const { beta1, beta2, epsilon, weightDecay, clip } = { ...defaults, ...options };
    this.#graphs = new KeptGraphs(backend, keptGraphs);
    this.#optimizer = new AdamW(backend, storage.parameters, { beta1, beta2, epsilon, weightDecay, clip });
    this.trainedParameters = storage.parameters.reduce((sum, { value }) => sum + elementCount(value.ne), 0);
  }

  /** @throws MODEL_NOT_FOUND, MODEL_INVALID, MODEL_UNSUPPORTED, MODEL_TOO_LARGE, INVALID_ARGUMENT */
  static open(options: TrainingOptions): Promise<TrainingSession> {
    return TrainingSession.#open(options);
  }

  static async #open(options: TrainingOptions, opened?: AdapterFile): Promise<TrainingSession> {
    const { batchTokens = 2048, distill } = options;
    if (!Number.isInteger(batchTokens) || batchTokens < 1) {
      throw new BlockAttentionError('INVALID_ARGUMENT', `batchTokens is ${batchTokens}: give a positive integer`);
    }
    checkDistill(distill);
    const file = await openGguf(options.model);
    const hyperParameters = readHyperParameters(file);
    requireTrainable(file.path, hyperParameters);
    const backend = await Backend.open({ device: options.device ?? 'cpu', threads: options.threads });
    let storage: TrainableWeights | undefined;
    let teacher: FrozenTeacher | undefined;
    try {
      const frozen = () => loadOver(options, file, backend);
      storage = options.lora
        ? new LowRankParameters(
            file,
            backend,
            options.lora,
            undefined,
            await frozen(),
            await loadStart(options.lora, file, opened),
          )
        : new FullParameters(file, backend);
      if (distill !== undefined) {
        teacher = new FrozenTeacher(file, hyperParameters, backend, distill, await frozen());
      }
      return new TrainingSession(file, hyperParameters, backend, storage, teacher, options);
    } catch (error) {
      teacher?.dispose();
      storage?.dispose();
      backend.dispose();
      throw error;
    }
  }

  /** Optimizer steps taken. */
  get steps(): number {
    return this.#optimizer.steps;
  }

  /**
   * One optimizer step on the mean loss of all response tokens of `sequences`: cross-entropy, or its mix with the
   * divergence from the teacher.
   * @throws TRAINING_DIVERGED, with the weights as they were, when the loss or the gradient is not finite;
   *   INVALID_ARGUMENT, CONTEXT_OVERFLOW for sequences that cannot be trained on.
   */
  async step(sequences: readonly TrainingSequence[], options: { readonly learningRate: number }): Promise<StepReport> {
    this.#check(sequences);
    const responseTokens = sequences.reduce((sum, sequence) => sum + responseTokensOf(sequence), 0);
    const shares = lossShares(sequences);
    const taught = this.#teacher?.weight ?? 0;
    let loss = 0;
    let meanDivergence = 0;
    let computedTokens = 0;
    for (const batch of this.#batches(sequences)) {
      const weights = Float32Array.from(batch.owners, (owner) => shares[owner] ?? 0);
      const { probabilities, divergence } = await this.#graph(batch, true).run(batch, weights);
      probabilities.forEach((probability, i) => {
        const weight = weights[i] ?? 0;
        if (weight === 0) return;
        loss += weight * ((1 - taught) * negativeLog(probability) + taught * (divergence[i] ?? 0));
        meanDivergence += weight * (divergence[i] ?? 0);
      });
      computedTokens += batch.tokens.length;
    }
    const gradientNorm = await this.#optimizer.gradientNorm();
    if (!Number.isFinite(loss) || !Number.isFinite(gradientNorm)) {
      this.#optimizer.clearGradients();
      throw new BlockAttentionError(
        'TRAINING_DIVERGED',
        `step ${this.steps + 1}: the loss is ${loss}, the norm of the gradient ${gradientNorm}: lower the learning rate`,
      );
    }
    await this.#optimizer.step(options.learningRate, gradientNorm);
    const tokens = sequences.reduce((sum, sequence) => sum + sequenceTokens(sequence), 0);
    const divergence = this.#teacher === undefined ? {} : { divergence: meanDivergence };
    return { loss, ...divergence, gradientNorm, tokens, computedTokens, responseTokens };
  }

  /** Loss and accuracy on sequences, without learning from them. */
  async evaluate(sequences: readonly TrainingSequence[]): Promise<SequenceScores> {
    this.#check(sequences);
    let loss = 0;
    let divergenceSum = 0;
    let right = 0;
    let agreed = 0;
    let responseTokens = 0;
    const wrong = new Set<string>();
    for (const batch of this.#batches(sequences)) {
      const result = await this.#graph(batch, false).run(batch, new Float32Array(batch.outputs));
      const { probabilities, likeliest, taughtLikeliest, divergence } = result;
      batch.owners.forEach((owner, i) => {
        if (owner < 0) return;
        loss += negativeLog(probabilities[i] ?? 0);
        divergenceSum += divergence[i] ?? 0;
        responseTokens++;
        if (likeliest[i] === taughtLikeliest[i]) agreed++;
        if (likeliest[i] === batch.labels[i]) right++;
        else wrong.add(`${owner} ${batch.finals[i] ?? 0}`);
      });
    }
    return {
      loss: loss / responseTokens,
      ...(this.#teacher && { divergence: divergenceSum / responseTokens, agreement: agreed / responseTokens }),
      tokenAccuracy: right / responseTokens,
      accuracy: 1 - wrong.size / sequences.reduce((sum, sequence) => sum + finalBlocks(sequence).length, 0),
      responseTokens,
    };
  }

  /** Writes the model as a GGUF of its own. @throws INVALID_ARGUMENT for a writer, which no matrix can have in it */
  async save(path: string, options: SaveOptions = {}): Promise<void> {
    this.#alive();
    if (this.#storage.kind === 'writer') throw noMerging();
    await saveModel(path, this.#file, (name) => this.#storage.values(name), { policy: this.#policy, ...options });
  }

  /** Writes the trained adapter as a LoRA GGUF. @throws INVALID_ARGUMENT when all weights are trained */
  async saveAdapter(path: string): Promise<void> {
    this.#alive();
    if (!(this.#storage instanceof LowRankParameters)) {
      throw new BlockAttentionError('INVALID_ARGUMENT', 'all weights are trained: there is no adapter, save the model');
    }
    const { parameters, alpha, kind } = this.#storage;
    await writeAdapter(path, {
      kind,
      architecture: this.#model.hyperParameters.architecture,
      alpha,
      policy: this.#policy,
      tensors: parameters.map(({ name, value }) => ({
        name,
        ne: [value.ne[0], value.ne[1]],
        values: () => readTensor(this.#backend, value),
      })),
    });
  }

  /**
   * Writes what is needed to go on to the same trajectory: trained values, the optimizer's moments and count, and `note`.
   */
  async saveState(path: string, note: string): Promise<void> {
    this.#alive();
    await writeState(path, this.#backend, this.#storage.parameters, { steps: this.steps, note });
  }

  /**
   * Takes over a state that saveState() wrote. @returns its note
   * @throws CHECKPOINT_INVALID when it is not one of this model and these options; nothing has changed then
   */
  async loadState(path: string): Promise<string> {
    this.#alive();
    const { steps, note } = await readState(path, this.#backend, this.#storage.parameters);
    this.#optimizer.steps = steps;
    return note;
  }

  dispose(): void {
    if (this.#disposed) return;
    this.#disposed = true;
    this.#graphs.dispose();
    this.#optimizer.dispose();
    this.#teacher?.dispose();
    this.#storage.dispose();
    this.#backend.dispose();
  }

  #alive(): void {
    if (this.#disposed) throw new BlockAttentionError('DISPOSED', 'the training session was disposed');
  }

  *#batches(sequences: readonly TrainingSequence[]): Generator<Batch> {
    for (const part of packParts(sequences, this.#batchTokens)) yield makeBatch(part);
  }

  #graph(shape: BatchShape, training: boolean): TrainingGraph {
    const key = [shape.rows, shape.rowTokens, shape.outputs, training].join(' ');
    return this.#graphs.get(key, (allocator) => {
      return new TrainingGraph(this.#backend, allocator, this.#model, this.#storage, training, shape, this.#teacher);
    });
  }

  #check(sequences: readonly TrainingSequence[]): void {
    this.#alive();
    if (sequences.length === 0) throw new BlockAttentionError('INVALID_ARGUMENT', 'no sequences: give at least one');
    const { vocabulary, trainedContext } = this.#model.hyperParameters;
    sequences.forEach((sequence, index) => {
      const { blocks, weight = 1, open = [], anchor } = sequence;
      if (open.length > Math.max(0, blocks.length - 1)) {
        throw new BlockAttentionError(
          'INVALID_ARGUMENT',
          `sequence ${index} says of ${open.length} context blocks whether they are open, and has ${blocks.length - 1}`,
        );
      }
      const finals = finalBlocks(sequence);
      const all = [...blocks.slice(0, -1), ...finals.map(({ tokens }) => tokens), ...(anchor ? [anchor] : [])];
      if (finals.length === 0 || all.some((block) => block.length === 0)) {
        throw new BlockAttentionError('INVALID_ARGUMENT', `sequence ${index} has an empty block, or no block`);
      }
      const written = this.#storage.kind === 'writer';
      if (
        written &&
        (open.includes(true) || finals.some(({ tokens, responseTokens }) => responseTokens === tokens.length))
      ) {
        throw new BlockAttentionError(
          'INVALID_ARGUMENT',
          `sequence ${index} has open blocks, or nothing before a response: a writer is trained on closed blocks and questions`,
        );
      }
      if (!(weight > 0 && weight < Number.POSITIVE_INFINITY)) {
        throw new BlockAttentionError(
          'INVALID_ARGUMENT',
          `sequence ${index} has weight ${weight}: give a positive number`,
        );
      }
      const context = contextTokens(sequence);
      for (const { tokens, responseTokens } of finals) {
        if (!Number.isInteger(responseTokens) || responseTokens < 1) {
          throw new BlockAttentionError('INVALID_ARGUMENT', `sequence ${index} has no response tokens`);
        }
        if (responseTokens > tokens.length || responseTokens >= context + tokens.length) {
          throw new BlockAttentionError(
            'INVALID_ARGUMENT',
            `sequence ${index} asks for ${responseTokens} response tokens of a final block of ${tokens.length}: the first token cannot be predicted`,
          );
        }
      }
      const length = context + Math.max(...finals.map(({ tokens }) => tokens.length));
      if (length > trainedContext) {
        throw new BlockAttentionError(
          'CONTEXT_OVERFLOW',
          `sequence ${index} has ${length} tokens, the model was trained for ${trainedContext}: leave it out or shorten it`,
        );
      }
      for (const block of all) {
        const bad = block.find((token) => token < 0 || token >= vocabulary);
        if (bad !== undefined) {
          throw new BlockAttentionError('INVALID_ARGUMENT', `sequence ${index} has token ${bad} of ${vocabulary}`);
        }
      }
    });
  }
}

/** What a writer is trained over, as adapters of its own. @throws INVALID_ARGUMENT where it is none, or nothing is over it */
async function loadOver(
  { over, lora }: TrainingOptions,
  file: GgufFile,
  backend: Backend,
): Promise<readonly Adapter[]> {
  if (over === undefined) return [];
  const adapters = await loadAdapters([{ path: over }], file, backend);
  if (lora?.kind === 'writer' && adapters.every(({ kind }) => kind === 'lora')) return adapters;
  for (const adapter of adapters) adapter.dispose();
  const remedy = 'train a writer over an ordinary adapter, nothing else';
  throw new BlockAttentionError('INVALID_ARGUMENT', `${over} cannot be what is trained over: ${remedy}`);
}

/** The adapter that training goes on with. @throws MODEL_NOT_FOUND, ADAPTER_INVALID; INVALID_ARGUMENT for another rank or alpha */
async function loadStart({ start, rank, alpha = 2 * rank }: LowRankOptions, file: GgufFile, opened?: AdapterFile) {
  if (start === undefined) return undefined;
  const adapter = opened ?? (await AdapterFile.open(start, file));
  const own = lowRankOf(adapter);
  if (own.rank === rank && own.alpha === alpha) return adapter;
  throw new BlockAttentionError(
    'INVALID_ARGUMENT',
    `${start} has rank ${own.rank} and alpha ${own.alpha}, not ${rank} and ${alpha}: give those`,
  );
}

/** What acts on passages alone would act on everything. */
export function noMerging(): BlockAttentionError {
  const why = 'a writer acts on passages while they are encoded, and merged into a model it would act on everything';
  return new BlockAttentionError('INVALID_ARGUMENT', `${why}: keep it as an adapter`);
}

/** @throws MODEL_UNSUPPORTED for what has no gradient here */
function requireTrainable(path: string, { experts, family }: HyperParameters): void {
  const what = withoutGradient(family, experts !== undefined);
  if (what === undefined) return;
  throw new BlockAttentionError('MODEL_UNSUPPORTED', `${path} cannot be trained: ${what} have no gradient here`);
}

/** What one response token of each sequence counts in the mean loss. */
function lossShares(sequences: readonly TrainingSequence[]): number[] {
  const total = sequences.reduce((sum, sequence) => sum + (sequence.weight ?? 1) * responseTokensOf(sequence), 0);
  return sequences.map(({ weight = 1 }) => weight / total);
}

/** Underflow counts as the smallest normal number, so that one hopeless token does not make the mean infinite. */
function negativeLog(probability: number): number {
  return -Math.log(probability > 0 ? probability : probability === 0 ? 1.2e-38 : Number.NaN);
}
