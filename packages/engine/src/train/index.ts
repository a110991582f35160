/**
 * Training (the paper's block fine-tuning). The programmatic surface:
 *
 * ```ts
 * const session = await TrainingSession.open({ model: 'start.gguf', threads: 2, batchTokens: 4096 });
 * const report = await session.step(sequences, { learningRate: 1e-3 }); // one optimizer step: { loss, gradientNorm, …
 * } const held = await session.evaluate(heldOut); //                         { loss, tokenAccuracy, accuracy, … } await
 * session.save('trained.gguf'); session.dispose(); ```
 *
 * A sequence is `{ blocks: Int32Array[], responseTokens, mode: 'full' | 'block' }`: token ids block by block, the final
 * block with the question and the response last; the loss is taken on the last `responseTokens` tokens. For the paper's
 * recipe give every sample twice, once in each mode; for pre-training give one block in mode `full` with
 * `responseTokens` one less than its tokens. Sequences of a step are packed into rows, each blind to the others, so
 * many short ones cost no more than few long ones; a step larger than `batchTokens` is computed in parts. Graphs are
 * kept per shape: steps of like lengths build nothing. The learning rate belongs to the step: see schedule.ts for
 * warm-up and decay. `writeInitialModel()` makes a random model to start from nothing. `lora: { rank }` trains adapters
 * over frozen weights of any type instead; `saveAdapter()` then writes them for llama.cpp.
 *
 * `finetune()` is the whole run from a data file to an adapter or a model: what the command `finetune` does.
 */

export type { GgufEntry, GgufValues } from '../ggml/gguf/gguf-writer.ts';
export {
  type DataReadOptions,
  type QuestionAnswer,
  readTrainingData,
  type TrainingSample,
} from './data/training-data.ts';
export type { SaveOptions } from './files/write-model.ts';
export { finetune } from './finetune.ts';
export type {
  FinetuneOptions,
  FinetuneProgress,
  FinetuneReport,
  FinetuneStart,
  Validation,
} from './finetune-options.ts';
export type { AdamWSettings } from './optimizer/adamw.ts';
export { type InitialModelShape, type InitialVocabulary, writeInitialModel } from './optimizer/initial-model.ts';
export type { LowRankOptions, Precision } from './optimizer/low-rank-parameters.ts';
export { learningRateAt, type Schedule } from './optimizer/schedule.ts';
export { type TrainingOptions, TrainingSession } from './training-session.ts';
export type { FinalBlock, SequenceScores, StepReport, TrainingMode, TrainingSequence } from './types.ts';
