/** A reference to an embedder: a GGUF model, or the address of a server. */
import type { PullProgress } from '../../hub/index.ts';
import type { Embedder } from './embedder.ts';
import { openGgufEmbedder } from './gguf-embedder.ts';

export interface OpenEmbedderOptions {
  /**
   * Compute threads of a GGUF model. `auto`: one per core that this process may use. Defaults to the environment's
   * BLOCK_ATTENTION_THREADS, else to `auto`.
   */
  readonly threads?: number | 'auto' | undefined;
  /** Read for the cache folder and for BLOCK_ATTENTION_EMBED_KEY, the server's key. Defaults to `process.env`. */
  readonly env?: Readonly<Record<string, string | undefined>> | undefined;
  readonly signal?: AbortSignal | undefined;
  /** Told of the model's download. */
  readonly onProgress?: ((progress: PullProgress) => void) | undefined;
}

/**
 * @param reference a model reference (see `resolveModel`), or `https://host/v1/embeddings?model=NAME`
 * @throws INVALID_ARGUMENT, EMBEDDING_FAILED, and what loading a model throws
 */
export async function openEmbedder(reference: string, options: OpenEmbedderOptions = {}): Promise<Embedder> {
  const env = options.env ?? process.env;
  const server = /^https?:\/\//i.test(reference) && !/\.gguf(?:[?#]|$)/i.test(reference);
  if (server) {
    const { openServerEmbedder } = await import('./server-embedder.ts');
    return openServerEmbedder(reference, { key: env.BLOCK_ATTENTION_EMBED_KEY, signal: options.signal });
  }
  return openGgufEmbedder(reference, { ...options, env });
}
