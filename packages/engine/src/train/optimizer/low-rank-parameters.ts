/**
 * Adapters of low rank (LoRA) over the frozen weights of a model, quantised ones included: y = W x + α/r · B A x.
 *
 * Only A and B are trained. A starts random and B at zero, so that the model starts as it was, or both as an adapter's
 * file has them. The frozen matrices stay as the model's file has them. The native nodes convert them as they go, in
 * both directions. Without those, gradients pass through stored transposes, in q8_0 for quantised weights, scaled up on
 * their way so that 16-bit scales and halves hold them.
 *
 * A writer leaves out what the last layer does after its keys and values: of a passage that is encoded nothing reads it.
 */
import { Cleanup } from '../../cleanup.ts';
import { BlockAttentionError } from '../../errors.ts';
import type { Backend } from '../../ggml/device/backend.ts';
import type { GgufFile, GgufTensor } from '../../ggml/gguf/gguf-file.ts';
import { TensorData } from '../../ggml/gguf/tensor-data.ts';
import { GraphContext } from '../../ggml/graph/graph-context.ts';
import { quantize } from '../../ggml/graph/quantize.ts';
import { type Tensor, TensorType, typeTraits } from '../../ggml/graph/tensor.ts';
import type { TrainingKernel } from '../../ggml/native/training-kernel.ts';
import type { Adapter } from '../../model/weights/adapter.ts';
import type { AdapterFile, AdapterKind } from '../../model/weights/adapter-file.ts';
import { type LowRank, layerMatrix } from '../../model/weights/layers.ts';
import { Weights } from '../../model/weights/weights.ts';
import { addLowRank, transpose } from './matrix.ts';
import { type Parameter, readTensor, type TrainableWeights, trainingKernelFor } from './parameters.ts';
import { createNormal } from './random.ts';

export interface LowRankOptions {
  /** Rank of the adapters. */
  readonly rank: number;
  /** The adapters' output is multiplied by alpha / rank. Defaults to twice the rank. */
  readonly alpha?: number | undefined;
  /** Of the random start. Defaults to 1. */
  readonly seed?: number | undefined;
  /** Path of a LoRA for this model, of this rank and alpha, to start from; what it does not change starts as ever. */
  readonly start?: string | undefined;
  /** Which tokens it acts on. Defaults to `lora`: all. */
  readonly kind?: AdapterKind | undefined;
  /** Of products with frozen weights. Defaults to `f32`. */
  readonly precision?: Precision | undefined;
}

/**
 * `mixed` rounds frozen weights of less than 32 bits, and the activations and gradients that meet them, to bf16, where
 * the CPU multiplies such numbers faster (AVX-512 BF16); sums and all that is trained stay f32.
 */
export type Precision = 'mixed' | 'f32';

/** Rank and alpha of a LoRA that is to be trained on. @throws INVALID_ARGUMENT when its matrices differ in them */
export function lowRankOf({ path, shapes }: AdapterFile): { readonly rank: number; readonly alpha: number } {
  const [[, first] = [], ...rest] = shapes;
  const alike = rest.every(([, { rank, factor }]) => rank === first?.rank && factor === first.factor);
  const untrained = Array.from(shapes.keys()).find((name) => !layerMatrix.test(name));
  if (first === undefined || !alike || untrained !== undefined) {
    const why = untrained === undefined ? 'has more than one rank' : `changes ${untrained}, which is not trained`;
    throw new BlockAttentionError(
      'INVALID_ARGUMENT',
      `${path} ${why}: merge it into the model, and start from that with an adapter of its own`,
    );
  }
  return { rank: first.rank, alpha: first.factor * first.rank };
}

interface Trained extends LowRank {
  readonly entry: GgufTensor;
}

export class LowRankParameters implements TrainableWeights {
  readonly kind: AdapterKind;
  readonly parameters: readonly Parameter[];
  readonly transposes: readonly (readonly [Tensor, Tensor])[];
  readonly lossScale: number;
  readonly rounded: boolean;
  readonly kernel: TrainingKernel | undefined;
  readonly rank: number;
  readonly alpha: number;
  readonly #file: GgufFile;
  readonly #backend: Backend;
  readonly #weights: Weights;
  readonly #adapters = new Map<string, Trained>();
  /** What each stored transpose is made of. */
  readonly #sources = new Map<Tensor, GgufTensor>();
  readonly #cleanup = new Cleanup();

  /**
   * @param kernel native nodes to compute with, null for none. Defaults to those there are.
   * @param frozen adapters that stay as they are, taken over. Defaults to none
   * @param start what the options name. Defaults to none
   * @throws MODEL_TOO_LARGE when memory does not suffice; INVALID_ARGUMENT
   */
  constructor(
    file: GgufFile,
    backend: Backend,
    { rank, alpha = 2 * rank, seed = 1, kind = 'lora', precision = 'f32' }: LowRankOptions,
    kernel: TrainingKernel | null = trainingKernelFor(backend),
    frozen: readonly Adapter[] = [],
    start?: AdapterFile,
  ) {
    if (!Number.isInteger(rank) || rank < 1 || rank > 1024 || !(alpha > 0) || !Number.isFinite(alpha)) {
      throw new BlockAttentionError(
        'INVALID_ARGUMENT',
        `LoRA of rank ${rank} and alpha ${alpha}: give a rank from 1 to 1024 and an alpha above 0`,
      );
    }
    this.kernel = kernel ?? undefined;
    this.rounded = precision === 'mixed' && kernel?.rounds === true;
    this.lossScale = kernel === null ? 1024 : 1;
    this.kind = kind;
    this.rank = rank;
    this.alpha = alpha;
    this.#file = file;
    this.#backend = backend;
    this.#weights = new Weights(file, backend, kernel === null, frozen);
    this.#cleanup.defer(() => this.#weights.dispose());
    const matrices = Array.from(file.tensors.values()).filter(({ name }) => layerMatrix.test(name));
    const trained = kind === 'writer' ? matrices.filter(isWritten(matrices)) : matrices;
    const context = new GraphContext(10 * matrices.length + 8);
    this.#cleanup.defer(() => context.dispose());
    this.parameters = trained.flatMap((entry) => this.#adapt(context, entry));
    this.transposes = kernel === null ? this.#makeTransposes(context, matrices) : [];
    this.#cleanup.defer(backend.allocate(context, `an adapter of ${file.path}`));
    this.#fill(seed, start);
  }

  #adapt(context: GraphContext, entry: GgufTensor): Parameter[] {
    const make = (name: string, ne0: number, ne1: number): Parameter => {
      const tensor = () => context.tensor(TensorType.F32, ne0, ne1);
      return { name, value: tensor(), gradient: tensor(), mean: tensor(), variance: tensor(), decays: true };
    };
    const a = make(`${entry.name}.lora_a`, entry.ne[0], this.rank);
    const b = make(`${entry.name}.lora_b`, this.rank, entry.ne[1]);
    this.#adapters.set(entry.name, { entry, a: a.value, b: b.value, scale: this.alpha / this.rank });
    return [a, b];
  }

  /** f32 matrices are transposed in the graph, which costs less than keeping a copy. */
  #makeTransposes(context: GraphContext, matrices: readonly GgufTensor[]): (readonly [Tensor, Tensor])[] {
    const head = this.#file.tensors.get('output.weight') ?? this.#file.tensors.get('token_embd.weight');
    const frozen = [...matrices, ...(head === undefined ? [] : [head])].filter(({ type }) => type !== TensorType.F32);
    return frozen.map((entry) => {
      const { name, ne, type } = entry;
      const fits = ne[1] % typeTraits(TensorType.Q8_0).blockElements === 0;
      const stored = type === TensorType.F16 || !fits ? TensorType.F16 : TensorType.Q8_0;
      const transposed = context.tensor(stored, ne[1], ne[0]);
      this.#sources.set(transposed, entry);
      return [this.#weights.matrix(name, ne[0], ne[1]), transposed];
    });
  }

  #fill(seed: number, start: AdapterFile | undefined): void {
    const normal = createNormal(seed);
    for (const { value, gradient, mean, variance } of this.parameters) {
      for (const tensor of [value, gradient, mean, variance]) this.#backend.clear(tensor);
    }
    for (const { a } of this.#adapters.values()) {
      this.#backend.write(a, normal(a.ne[0] * a.ne[1], 1 / Math.sqrt(3 * a.ne[0])));
    }
    start?.read((name, a, b) => {
      const adapter = this.#adapters.get(name);
      if (adapter === undefined) return;
      this.#backend.write(adapter.a, a);
      this.#backend.write(adapter.b, b);
    });
    using data = new TensorData(this.#file.paths);
    for (const [transposed, entry] of this.#sources) {
      const values = transpose(data.values(entry), entry.ne[0]);
      this.#backend.write(transposed, quantize(transposed.type, values, entry.ne[1]));
    }
  }

  find(name: string): Tensor | undefined {
    return this.#weights.find(name);
  }

  require(name: string, ne0: number, ne1?: number): Tensor {
    return this.#weights.require(name, ne0, ne1);
  }

  optional(name: string, ne0: number, ne1?: number): Tensor | undefined {
    return this.#weights.optional(name, ne0, ne1);
  }

  matrix(name: string, input: number, output: number): Tensor {
    return this.#weights.matrix(name, input, output);
  }

  adapter(name: string): LowRank | undefined {
    return this.kind === 'lora' ? this.#adapters.get(name) : this.#weights.adapter(name);
  }

  writer(name: string): LowRank | undefined {
    return this.kind === 'writer' ? this.#adapters.get(name) : undefined;
  }

  /** A matrix with its adapter added: W + α/r · B A. */
  values(name: string): Float32Array | undefined {
    const adapter = this.#adapters.get(name);
    if (adapter === undefined) return undefined;
    const { entry, a, b, scale } = adapter;
    using data = new TensorData(this.#file.paths);
    const values = data.values(entry);
    addLowRank(values, readTensor(this.#backend, a), readTensor(this.#backend, b), this.rank, scale);
    return values;
  }

  dispose(): void {
    this.#cleanup[Symbol.dispose]();
  }
}

/** Whether keys and values of some layer depend on a matrix of the layers. */
function isWritten(matrices: readonly GgufTensor[]): (entry: GgufTensor) => boolean {
  const layerOf = ({ name }: GgufTensor) => Number(/^blk\.(\d+)\./.exec(name)?.[1] ?? 0);
  const last = Math.max(...matrices.map(layerOf));
  return (entry) => layerOf(entry) < last || /\.attn_(k|v|qkv)\.weight$/.test(entry.name);
}
