/** Embeddings by a GGUF model in this process. */

import { basename, join } from 'node:path';
import { throwIfAborted } from '@block-attention/engine/internal/base';
import { openEmbeddingModel } from '@block-attention/engine/internal/ggml';
import { weightsDigest } from '@block-attention/engine/internal/model';
import { cacheFolder } from '@block-attention/engine/internal/platform';
import { resolveModel } from '../../hub/index.ts';
import type { Embedder } from './embedder.ts';
import type { OpenEmbedderOptions } from './open-embedder.ts';
import { prefixesOf } from './prefixes.ts';

export async function openGgufEmbedder(
  reference: string,
  options: OpenEmbedderOptions & { readonly threads: number },
): Promise<Embedder> {
  const { env, signal, onProgress, threads } = options;
  const { path } = await resolveModel(reference, { env, signal, ...(onProgress !== undefined && { onProgress }) });
  const model = await openEmbeddingModel(path, { threads });
  const digest = await weightsDigest(path, join(cacheFolder(env), 'digests'));
  const prefixes = prefixesOf(`${reference} ${basename(path)}`);
  return {
    reference,
    identity: `gguf-${digest.slice(0, 32)}-${model.pooling}`,
    dimensions: model.dimensions,
    async embed(texts, kind, abort) {
      const vectors: Float32Array[] = [];
      for (const text of texts) {
        throwIfAborted(abort);
        vectors.push(await model.embed(prefixes[kind] + text));
      }
      return vectors;
    },
    count: (text) => model.count(text),
    [Symbol.asyncDispose]: () => model[Symbol.asyncDispose](),
  };
}
