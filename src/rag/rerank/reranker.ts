/** What reads a question and a text together and says how well they fit: a GGUF cross-encoder in this process. */
import { openRerankingModel } from '@block-attention/engine/internal/ggml';
import { oneByOne, openGgufModel } from '../embed/gguf-model.ts';
import type { OpenEmbedderOptions } from '../embed/open-embedder.ts';

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
  const { model } = await openGgufModel(reference, options, openRerankingModel);
  return {
    reference,
    rank: (question, texts, signal) => oneByOne(texts, signal, (text) => model.score(question, text)),
    [Symbol.asyncDispose]: () => model[Symbol.asyncDispose](),
  };
}
