/** What embedders give is checked before it reaches the table: LanceDB takes other lengths and NaN for faults of its own. */
import { BlockAttentionError } from '@block-attention/engine/internal/base';
import type { Embedder } from './embedder.ts';

const mostDimensions = 65_536;

/** @throws INVALID_ARGUMENT */
export function checkDimensions({ reference, dimensions }: Embedder): void {
  if (Number.isInteger(dimensions) && dimensions >= 1 && dimensions <= mostDimensions) return;
  throw new BlockAttentionError(
    'INVALID_ARGUMENT',
    `the embeddings of ${reference} have ${String(dimensions)} dimensions: give ones of 1 to ${mostDimensions}`,
  );
}

/** The vectors, if there are as many as texts, all of the right length and finite. @throws EMBEDDING_FAILED */
export function checkVectors(
  vectors: readonly Float32Array[],
  texts: number,
  { reference, dimensions }: Embedder,
): readonly Float32Array[] {
  const usable = (vector: Float32Array) => vector.length === dimensions && vector.every(Number.isFinite);
  if (vectors.length === texts && vectors.every(usable)) return vectors;
  throw new BlockAttentionError(
    'EMBEDDING_FAILED',
    `the embeddings of ${reference} cannot be used: wanted ${texts} vectors of ${dimensions} finite numbers`,
  );
}
