/** The package's door: all of the engine's, models by name, writers for documents, types of the server's clients. */
export * from '@block-attention/engine';
export {
  type AdaptOptions,
  type AdaptPlan,
  type AdaptPoint,
  type AdaptProgress,
  type AdaptReport,
  adapt,
} from './adapt/index.ts';
export type { ModelAlias } from './hub/aliases.ts';
export type { CachedModel } from './hub/cache.ts';
export {
  listModels,
  type ModelRecord,
  modelAliases,
  type PullOptions,
  type PullProgress,
  pullModel,
  resolveModel,
} from './hub/index.ts';
export type { ResolvedModel } from './hub/pull.ts';
export type { NetworkLimits } from './hub/retry.ts';
export type {
  BlockAttentionAccount,
  BlockAttentionFields,
  BlockAttentionOptions,
  WithAccount,
  WithDocuments,
} from './server/requests/client-types.ts';
