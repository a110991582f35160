/** The door of the engine. */
export { BlockSource, type BlockSourceOptions } from './blocks/block-source.ts';
export { createEngine, createEngineWith } from './engine.ts';
export {
  type ContextPolicy,
  checkPolicy,
  encodingPart,
  namesFile,
  type PolicyInput,
  parsePolicy,
  plainPolicy,
  recomputedShare,
  runsOn,
  seesNeighbour,
} from './policy/policy.ts';
export { Runner, type RunnerOptions } from './schedule/runner.ts';
export { openTokenCounter } from './token-counter.ts';
export type { TokenizerAhead } from './tokenizer-ahead.ts';
export * from './types.ts';
export { chooseMode, type ModeChoice, type ModeDefaults, type ModeRequest } from './verdict/choose-mode.ts';
export { shippedPath, shippedVerdicts } from './verdict/shipped-verdicts.ts';
export {
  readVerdict,
  type StoredVerdict,
  type VerdictIdentity,
  type VerdictIdentityOptions,
  verdictBeside,
  verdictIdentity,
  verdictPath,
  writeVerdict,
} from './verdict/verdict-store.ts';
