/** Getting GGUF models onto the machine: references, aliases, the cache, and fetching into it. */
export { defaultEmbedder, defaultModel, type ModelAlias, modelAliases } from './aliases.ts';
export { type CachedModel, listModels, type ModelRecord } from './cache.ts';
export { modelsFolder } from './cache-folder.ts';
export {
  localModel,
  type PullOptions,
  type PullProgress,
  pullModel,
  type ResolvedModel,
  resolveModel,
} from './pull.ts';
export {
  formatModelReference,
  type HubReference,
  type ModelReference,
  type PackageReference,
  parseModelReference,
  type RemoteReference,
  type UrlReference,
} from './reference.ts';
export type { NetworkLimits } from './retry.ts';
