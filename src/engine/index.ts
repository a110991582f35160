/** The door of the engine. */
export { BlockSource, type BlockSourceOptions } from './block-source.ts';
export { createEngine } from './engine.ts';
export { Runner, type RunnerOptions } from './runner.ts';
export { openTokenCounter } from './token-counter.ts';
export * from './types.ts';
