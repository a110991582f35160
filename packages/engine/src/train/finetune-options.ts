/** What a fine-tuning run is told, and what it tells. */
import type { PolicyInput } from '../engine/policy/policy.ts';
import type { Device } from '../ggml/ffi/library.ts';
import type { PromptTemplate } from '../prompt/index.ts';
import type { SaveOptions } from './files/write-model.ts';
import type { Precision } from './optimizer/low-rank-parameters.ts';
import type { SequenceScores, TrainingMode } from './types.ts';

export interface FinetuneOptions {
  /** Path of the GGUF to start from. */
  readonly model: string;
  /** Path of the training data, JSON lines: see training-data.ts. */
  readonly data: string;
  /** Folder for checkpoints and results. Created when missing. */
  readonly out: string;
  /**
   * Path of a LoRA for this model to start from. Rank and alpha are its own. Defaults to none: adapters start again. With
   * `writer`: of a writer to start from, of an ordinary LoRA to train the writer over, or of both.
   */
  readonly adapter?: string | readonly string[] | undefined;
  /**
   * Train a writer: an adapter that acts on passages while they are encoded, and on nothing else, so that full attention
   * stays as it is to the bit. Block mode learns to say what full attention says (`distill` is 1 unless given, `modes` is
   * block alone). Defaults to false: an adapter that acts on every token.
   */
  readonly writer?: boolean | undefined;
  /** Rank of the LoRA adapters; null trains all weights in f32. Defaults to 16, or what `adapter` has. */
  readonly lora?: number | null | undefined;
  /** The adapters' output is multiplied by alpha / rank. Defaults to twice the rank, or what `adapter` has. */
  readonly alpha?: number | undefined;
  /** Modes each sample is trained in. Defaults to both, as in the paper. */
  readonly modes?: readonly TrainingMode[] | undefined;
  /**
   * Block distillation: share, in (0, 1], of the divergence from `model` with full attention and without an adapter (of a
   * writer, with the one it is over) in what is minimised, on the response; the rest is the cross-entropy of the answers.
   * Defaults to none, of a writer to 1.
   */
  readonly distill?: number | undefined;
  /**
   * Block dropout: probability, in [0, 1), with which a context block of a sample in block mode sees all before it. Drawn
   * again in every step. Defaults to 0.
   */
  readonly blockDropout?: number | undefined;
  /**
   * What passages are encoded behind while they are trained on, such as `anchor:header`; serve the result under the same
   * policy, which the written files name. Every passage takes the anchor's tokens once more. Defaults to what the adapter or model to
   * start from was trained under, else to `plain`; of a writer to what block mode runs under on a model that nobody trained.
   */
  readonly policy?: PolicyInput | undefined;
  /** Passes over the data. Defaults to 1, as in the paper. */
  readonly epochs?: number | undefined;
  /** Samples of an optimizer step, each in every mode. Defaults to 64, as in the paper. */
  readonly batch?: number | undefined;
  /** Tokens computed at once: more memory, not other results. Defaults to 2048. */
  readonly batchTokens?: number | undefined;
  /**
   * Of products with frozen weights: `mixed` takes bf16 where the CPU multiplies such numbers faster. Defaults to `mixed`.
   */
  readonly precision?: Precision | undefined;
  /** Peak learning rate. Defaults to 2e-5 as in the paper, for LoRA to 2e-4. */
  readonly learningRate?: number | undefined;
  /** Steps until the peak, at most a tenth of the run. Defaults to 20, as in the paper. */
  readonly warmup?: number | undefined;
  /** Defaults to `linear`, to zero. */
  readonly decay?: 'linear' | 'cosine' | 'none' | undefined;
  /** Defaults to 0, as in the released recipe. */
  readonly weightDecay?: number | undefined;
  /** Longest gradient. Defaults to 1. */
  readonly clip?: number | undefined;
  /** Longest sample with its answer; longer ones are left out. Defaults to 4096, or what the model was trained for. */
  readonly maxTokens?: number | undefined;
  /** Passages to keep of each sample, from the first. Defaults to all. */
  readonly passages?: number | undefined;
  /** Answer that is trained where a question's `answers` are empty. Defaults to what `ask` says: `notInDocuments`. */
  readonly refusal?: string | undefined;
  /** Samples to read, from the first. Defaults to all. */
  readonly limit?: number | undefined;
  /** Prompt layout. Defaults to `auto`. */
  readonly template?: PromptTemplate | undefined;
  /** Held-out samples, JSON lines. Defaults to a share of the data. */
  readonly validation?: string | undefined;
  /** Share of the data held out when there is no such file; 0 for none. Defaults to 0.05, of at most 200 samples. */
  readonly validationShare?: number | undefined;
  /** Steps between evaluations on held-out samples. Defaults to a tenth of the run. */
  readonly evaluateEvery?: number | undefined;
  /** Evaluations without a better loss after which to stop; 0 never stops early. Defaults to 3. */
  readonly patience?: number | undefined;
  /**
   * Time allowed, evaluations included, in minutes: a run that exceeds it ends with the step in progress and writes the
   * best that it has; `resume` goes on with the rest. Defaults to no limit.
   */
  readonly minutes?: number | undefined;
  /** Steps between checkpoints. Defaults to 50. */
  readonly checkpointEvery?: number | undefined;
  /** Go on from the checkpoint in `out`. Defaults to false: a folder with a checkpoint is refused. */
  readonly resume?: boolean | undefined;
  /** With an ordinary LoRA: also write the model with the adapter merged. Defaults to false. */
  readonly merge?: boolean | undefined;
  /** How the matrices of a written model are stored. Defaults to `f16`. */
  readonly weights?: SaveOptions['weights'];
  /** Of the order of samples and the adapters' start. Defaults to 1. */
  readonly seed?: number | undefined;
  readonly device?: Device | undefined;
  /** Defaults to the environment's BLOCK_ATTENTION_THREADS, else the number of cores. */
  readonly threads?: number | undefined;
  /** Stops after the step in progress, with a checkpoint. */
  readonly signal?: AbortSignal | undefined;
  readonly onProgress?: ((progress: FinetuneProgress) => void) | undefined;
  /** Told once, before the first step. */
  readonly onStart?: ((start: FinetuneStart) => void) | undefined;
}

export interface FinetuneStart {
  readonly samples: number;
  /** Of all samples: at least one each. */
  readonly questions: number;
  readonly heldOut: number;
  /** Left out for their length. */
  readonly skipped: number;
  /** Tokens of one pass over the data, in all modes. */
  readonly tokensPerEpoch: number;
  readonly trainedParameters: number;
  readonly steps: number;
  /** Step the run goes on from: 0 unless resumed. */
  readonly firstStep: number;
  readonly memoryBytes: number;
}

export type Validation = { readonly [M in TrainingMode]?: SequenceScores };

export interface FinetuneProgress {
  /** Steps taken, of `steps`. */
  readonly step: number;
  readonly steps: number;
  /** Passes over the data, begun ones included. */
  readonly epoch: number;
  /** What was minimised. */
  readonly loss: number;
  /** From the teacher, in nats; only with `distill`. */
  readonly divergence?: number;
  readonly learningRate: number;
  readonly gradientNorm: number;
  readonly tokensPerSecond: number;
  readonly secondsLeft: number;
  /** Of held-out samples, after steps that were followed by an evaluation. */
  readonly validation?: Validation | undefined;
}

export interface FinetuneReport {
  readonly steps: number;
  /** Why it ended. */
  readonly ended: 'complete' | 'early' | 'time';
  /** Step whose weights were written: the last one, or the best on held-out samples. */
  readonly writtenStep: number;
  readonly samples: number;
  readonly heldOut: number;
  readonly skipped: number;
  readonly trainedParameters: number;
  /** Mean loss of the last ten steps. */
  readonly loss: number;
  readonly before: Validation | undefined;
  readonly after: Validation | undefined;
  readonly seconds: number;
  readonly tokens: number;
  readonly tokensPerSecond: number;
  readonly files: { readonly adapter?: string; readonly model?: string; readonly log: string };
}
