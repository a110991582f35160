/** Embeddings by a GGUF model in this process. */

import { basename, join } from 'node:path';
import { openEmbeddingModel } from '@block-attention/engine/internal/ggml';
import { weightsDigest } from '@block-attention/engine/internal/model';
import { cacheFolder } from '@block-attention/engine/internal/platform';
import type { Embedder } from './embedder.ts';
import { oneByOne, openGgufModel } from './gguf-model.ts';
import type { OpenEmbedderOptions } from './open-embedder.ts';
import { prefixesOf } from './prefixes.ts';

export async function openGgufEmbedder(reference: string, options: OpenEmbedderOptions): Promise<Embedder> {
  const { path, model } = await openGgufModel(reference, options, openEmbeddingModel);
  const digest = await weightsDigest(path, join(cacheFolder(options.env), 'digests'));
  const prefixes = prefixesOf(`${reference} ${basename(path)}`);
  return {
    reference,
    identity: `gguf-${digest.slice(0, 32)}-${model.pooling}`,
    dimensions: model.dimensions,
    embed: (texts, kind, signal) => oneByOne(texts, signal, (text) => model.embed(prefixes[kind] + text)),
    count: (text) => model.count(text),
    [Symbol.asyncDispose]: () => model[Symbol.asyncDispose](),
  };
}
