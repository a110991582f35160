/** The door of the engine. */
export { BlockSource, type BlockSourceOptions } from './block-source.ts';
export { chooseMode, type ModeChoice, type ModeDefaults, type ModeRequest } from './choose-mode.ts';
export { createEngine } from './engine.ts';
export {
  type ContextPolicy,
  checkPolicy,
  encodingPart,
  namesFile,
  type PolicyInput,
  parsePolicy,
  plainPolicy,
  recomputedShare,
} from './policy/policy.ts';
export { Runner, type RunnerOptions } from './runner.ts';
export { shippedPath, shippedVerdicts } from './shipped-verdicts.ts';
export { openTokenCounter } from './token-counter.ts';
export * from './types.ts';
export {
  readVerdict,
  type StoredVerdict,
  type VerdictIdentity,
  type VerdictIdentityOptions,
  verdictBeside,
  verdictIdentity,
  verdictPath,
  writeVerdict,
} from './verdict-store.ts';
