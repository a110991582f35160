/** A small GGUF model in this process that reads one text after the other: what embedders and rerankers have in common. */
import { throwIfAborted } from '@block-attention/engine/internal/base';
import { cpuBudget } from '@block-attention/engine/internal/cpu-budget';
import { resolveModel } from '../../hub/index.ts';
import type { OpenEmbedderOptions } from './open-embedder.ts';

/** @returns the model and where its file is @throws what fetching and `open` throw */
export async function openGgufModel<M>(
  reference: string,
  { threads, env = process.env, signal, onProgress }: OpenEmbedderOptions,
  open: (path: string, options: { readonly threads: number }) => Promise<M>,
): Promise<{ readonly path: string; readonly model: M }> {
  const { path } = await resolveModel(reference, { env, signal, ...(onProgress !== undefined && { onProgress }) });
  return { path, model: await open(path, { threads: threadsOf(threads, env) }) };
}

/** What a model makes of each text, in order. @throws ABORTED between two */
export async function oneByOne<T>(
  texts: readonly string[],
  signal: AbortSignal | undefined,
  read: (text: string) => Promise<T>,
): Promise<T[]> {
  const found: T[] = [];
  for (const text of texts) {
    throwIfAborted(signal);
    found.push(await read(text));
  }
  return found;
}

/** Compute threads: those asked for, else the environment's, else one per core that this process may use. */
function threadsOf(asked: number | 'auto' | undefined, env: Readonly<Record<string, string | undefined>>): number {
  const wanted = asked ?? (Number(env.BLOCK_ATTENTION_THREADS) || 'auto');
  return wanted === 'auto' ? cpuBudget().threads : wanted;
}
