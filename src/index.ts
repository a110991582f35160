/** The package's door. */
export { type AdaptOptions, type AdaptPlan, type AdaptProgress, type AdaptReport, adapt } from './adapt/index.ts';
export { createEngine } from './engine/engine.ts';
export { type ContextPolicy, type PolicyInput, parsePolicy } from './engine/policy/policy.ts';
export type {
  AdapterInfo,
  AnswerRequest,
  AnswerResult,
  AnswerStream,
  BlockReport,
  EncodeOptions,
  EncodeSummary,
  Engine,
  EngineOptions,
  EngineUsage,
  FlopsReport,
  KvType,
  Mode,
  ModelInfo,
  Passage,
  PlannedBlockReport,
  PlanReport,
  PolicyWork,
  PromptTemplate,
  RequestedMode,
  SamplingOptions,
  TokenChance,
  TokenReport,
  Turn,
} from './engine/types.ts';
export type { ModeChoice, ModeRequest } from './engine/verdict/choose-mode.ts';
export type { StoredVerdict, VerdictIdentity } from './engine/verdict/verdict-store.ts';
export { BlockAttentionError, type ErrorCode, errorCodes } from './errors.ts';
export type { Device } from './ggml/ffi/library.ts';
export {
  listModels,
  modelAliases,
  type PullOptions,
  type PullProgress,
  pullModel,
  resolveModel,
} from './hub/index.ts';
export { readPassages } from './prompt/index.ts';
export type {
  BlockAttentionAccount,
  BlockAttentionFields,
  WithAccount,
  WithDocuments,
} from './server/requests/client-types.ts';
export * from './store/index.ts';
export {
  type FinetuneOptions,
  type FinetuneProgress,
  type FinetuneReport,
  type FinetuneStart,
  finetune,
  readTrainingData,
  type TrainingSample,
} from './train/index.ts';
