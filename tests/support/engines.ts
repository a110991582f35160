/** Engines over one model of a test, and what they read. */
import { dirname, join } from 'node:path';
import {
  type AnswerRequest,
  createEngine,
  type Engine,
  type EngineOptions,
} from '@block-attention/engine/internal/engine';
import { readPrompt } from './read-prompt.ts';

/** States in f32 and ggml's linear layers: two ways to compute the same differ by the order of f32 sums alone. */
export const inFloats = { kvType: 'f32', linear: 'ggml' } as const;

/**
 * `open` makes an engine in block mode, with one thread, that remembers beside the model; `read` has it read a prompt.
 * @param asked what is read, but for what a request says otherwise
 */
export function enginesOf(
  modelPath: string,
  asked: Pick<AnswerRequest, 'passages' | 'question'>,
  defaults: Partial<EngineOptions> = {},
) {
  const own = {
    modelPath,
    device: 'cpu',
    threads: 1,
    mode: 'block',
    cacheDir: join(dirname(modelPath), 'cache'),
  } as const;
  return {
    open: (options: Partial<EngineOptions> = {}) => createEngine({ ...own, ...defaults, ...options }),
    read: (engine: Engine, request: Partial<AnswerRequest> = {}) => readPrompt(engine, { ...asked, ...request }),
  };
}
