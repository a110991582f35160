/** The door of the models: loading one, laying out its states, running tokens through it. */
export { type Adapter, type AdapterOptions, adapterIdentity } from './adapter.ts';
export type { AdapterKind } from './adapter-file.ts';
export { convertBlock, type StoredBlock } from './convert-kv.ts';
export { denseForward } from './dense.ts';
export { rowDeviation, type StatePair, stateDeviation } from './deviation.ts';
export { type FamilyAbilities, familyAbilities } from './families/abilities.ts';
export type { Family } from './families/index.ts';
export { encodeFlops, type Flops, promptFlops, recomputeFlops } from './flops.ts';
export { gatheredRefusal } from './gathered-support.ts';
export { concatenate } from './graph-run.ts';
export { type HyperParameters, readHyperParameters } from './hyper-parameters.ts';
export { KvLayout, type KvType } from './kv-layout.ts';
export type { LinearDecision } from './linear-choice.ts';
export { Model } from './model.ts';
export { modelWarnings } from './model-warnings.ts';
export { batchRuns, type ContextStates, markedRuns, type Run, recomputeSteps } from './recompute.ts';
export { blockToRows, copyRows, rowsToBlock } from './row-copies.ts';
export { RowStates, rowsBytes } from './row-states.ts';
export { type ContextBlock, Sequence } from './sequence.ts';
export {
  type AttentionFactory,
  DecodeGraph,
  forwardStep,
  gatheredAttention,
  nativeAttention,
  portableAttention,
  type Step,
} from './step.ts';
export { weightsDigest } from './weights-digest.ts';
