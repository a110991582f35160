/** What reads a question and a text together and says how well they fit: a GGUF cross-encoder in this process. */
import { throwIfAborted } from '@block-attention/engine/internal/base';
import { openRerankingModel } from '@block-attention/engine/internal/ggml';
import { resolveModel } from '../../hub/index.ts';
import { type OpenEmbedderOptions, threadsOf } from '../embed/open-embedder.ts';

export interface Reranker extends AsyncDisposable {
  /** What it was opened with. */
  readonly reference: string;
  /**
   * A number for each text, in order; higher for better ones. Those of one question compare, and nothing else does.
   * @throws COMPUTE_FAILED, ABORTED
   */
  rank(question: string, texts: readonly string[], signal?: AbortSignal): Promise<number[]>;
}

/**
 * @param reference a model reference (see `resolveModel`) of a GGUF with a head that ranks, such as bge-reranker-v2-m3
 * @throws MODEL_UNSUPPORTED for models that do not rank, and what loading a model throws
 */
export async function openReranker(reference: string, options: OpenEmbedderOptions = {}): Promise<Reranker> {
  const { signal, onProgress } = options;
  const env = options.env ?? process.env;
  const { path } = await resolveModel(reference, { env, signal, ...(onProgress !== undefined && { onProgress }) });
  const model = await openRerankingModel(path, { threads: threadsOf(options.threads, env) });
  return {
    reference,
    async rank(question, texts, abort) {
      const ranks: number[] = [];
      for (const text of texts) {
        throwIfAborted(abort);
        ranks.push(await model.score(question, text));
      }
      return ranks;
    },
    [Symbol.asyncDispose]: () => model[Symbol.asyncDispose](),
  };
}
