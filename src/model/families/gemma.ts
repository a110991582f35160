/** Gemma 2 and 3: windows on most layers, norms on both sides, scaled embeddings, capped logits. */
import type { MetadataReader } from '../metadata-reader.ts';
import type { Family, Shapes } from './family.ts';

/** The largest of each scales by embedding length per head, the others by head dimension. */
const scaleUnless =
  (largest: number) =>
  (_: MetadataReader, { layers, embeddingLength, heads, headDim }: Shapes) =>
    1 / Math.sqrt(layers === largest ? Math.floor(embeddingLength / heads) : headDim);

export const gemma2: Family = {
  models: 'Gemma 2',
  ropePairs: 'neox',
  activation: 'gelu',
  sliding: { period: 2, window: 4096 },
  ropeFactors: false,
  scaledEmbeddings: true,
  logitSoftcap: 30,
  attentionSoftcap: 50,
  attentionScale: scaleUnless(46),
};

export const gemma3: Family = {
  models: 'Gemma 3',
  ropePairs: 'neox',
  activation: 'gelu',
  sliding: { period: 6, window: 0, ropeBase: 10_000 },
  ropeFactors: false,
  scaledEmbeddings: true,
  logitSoftcap: 0,
  attentionScale: scaleUnless(62),
};
