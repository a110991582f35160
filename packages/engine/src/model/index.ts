/** The door of the models: loading one, laying out its states, running tokens through it. */

export { encodeFlops, type Flops, promptFlops, recomputeFlops } from './architecture/flops.ts';
export { type HyperParameters, readHyperParameters } from './architecture/hyper-parameters.ts';
export { modelWarnings } from './architecture/model-warnings.ts';
export { gatheredRefusal } from './attention/gathered-support.ts';
export { type FamilyAbilities, familyAbilities } from './families/abilities.ts';
export type { Family } from './families/index.ts';
export { denseForward } from './graph/dense.ts';
export { concatenate } from './graph/graph-run.ts';
export { firstLateLayer, observeContext } from './graph/observe.ts';
export { findsShortlists } from './graph/short-rows.ts';
export {
  type AttentionFactory,
  DecodeGraph,
  forwardStep,
  gatheredAttention,
  nativeAttention,
  portableAttention,
  type Step,
} from './graph/step.ts';
export { convertBlock, type StoredBlock } from './kv/convert-kv.ts';
export { rowDeviation, type StatePair, stateDeviation } from './kv/deviation.ts';
export { KvLayout, type KvType } from './kv/kv-layout.ts';
export { batchRuns, type ContextStates, markedRuns, type Run, recomputeSteps } from './kv/recompute.ts';
export { blockToRows, copyRows, rowsToBlock } from './kv/row-copies.ts';
export { RowStates, rowPadding, rowsBytes } from './kv/row-states.ts';
export { type ContextBlock, Sequence } from './kv/sequence.ts';
export { Model } from './model.ts';
export { type Adapter, type AdapterOptions, adapterIdentity } from './weights/adapter.ts';
export type { AdapterKind } from './weights/adapter-file.ts';
export type { LinearDecision } from './weights/linear-choice.ts';
export { weightsDigest } from './weights/weights-digest.ts';
