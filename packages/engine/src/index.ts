/**
 * The door of the engine: a model, blocks, a store, answers, measurements, training. Files on disk only: the package
 * `block-attention` has what finds and fetches models, documents, the server and the command line.
 */
// What the above take and give, to be named by callers.

export type { AttentionName } from './engine/attention-choice.ts';
export type { PoolStats } from './engine/blocks/device-pool.ts';
export type { PrefixStats } from './engine/blocks/prefix-cache.ts';
export { createEngine } from './engine/engine.ts';
export { type ContextPolicy, type PolicyInput, parsePolicy } from './engine/policy/policy.ts';
export type { ThreadNotice } from './engine/schedule/pace.ts';
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
  KeyOptions,
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
  SelectedPassage,
  Selection,
  TextScore,
  TokenChance,
  TokenCounter,
  TokenReport,
  Turn,
} from './engine/types.ts';
export type { ModeChoice, ModeRequest } from './engine/verdict/choose-mode.ts';
export type { StoredVerdict, VerdictIdentity } from './engine/verdict/verdict-store.ts';
export { BlockAttentionError, type ErrorCode, errorCodes } from './errors.ts';
export type { Question } from './eval/questions/questions.ts';
export type { VerificationReport } from './eval/verify.ts';
export type { Device } from './ggml/ffi/library.ts';
export type { NativeMemory } from './ggml/ffi/memory.ts';
export type { SamplerOptions } from './ggml/llama/sampler-options.ts';
export type { AdapterKind } from './model/weights/adapter-file.ts';
export type { DecodedRows, LinearClass, LinearDecision, LinearPathName } from './model/weights/linear-choice.ts';
export type { Environment } from './platform/cache-folder.ts';
export type { AgentMessage, AgentRequest, ToolCall, ToolDefinition } from './prompt/chat/agent-messages.ts';
export { readPassages } from './prompt/index.ts';
export type { PassageReadOptions } from './prompt/passages/passages.ts';
export type { PromptLayout } from './prompt/plan/plans.ts';
export type { BlockKind, PreviousPassage, Segment } from './prompt/types.ts';
export * from './store/index.ts';
export type { ClaimWait } from './store/lower-tiers.ts';
export type { DataReadOptions, QuestionAnswer } from './train/data/training-data.ts';
export type { SaveOptions } from './train/files/write-model.ts';
export type { Validation } from './train/finetune-options.ts';
export {
  type FinetuneOptions,
  type FinetuneProgress,
  type FinetuneReport,
  type FinetuneStart,
  finetune,
  readTrainingData,
  type TrainingSample,
} from './train/index.ts';
export type { Precision } from './train/optimizer/low-rank-parameters.ts';
export type { TrainingMode } from './train/types.ts';
