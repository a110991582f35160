/** The door of adapting a model to documents. */
export { adapt } from './adapt.ts';
export type { AdaptOptions, AdaptPlan, AdaptPoint, AdaptProgress, AdaptReport } from './adapt-options.ts';
