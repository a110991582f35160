/** Gemma 1 to 4: norms on both sides, scaled embeddings, from 2 on windows on most layers. */
import type { MetadataReader } from '../architecture/metadata-reader.ts';
import { byHeadDim, type Family, type Shapes } from './family.ts';

/** The largest of each scales by embedding length per head, the others by head dimension. */
const scaleUnless =
  (largest: number) =>
  (_: MetadataReader, { layers, embeddingLength, heads, headDim }: Shapes) =>
    1 / Math.sqrt(layers === largest ? Math.floor(embeddingLength / heads) : headDim);

export const gemma: Family = {
  models: 'Gemma 1, CodeGemma',
  ropePairs: 'neox',
  activation: 'gelu',
  ropeFactors: false,
  scaledEmbeddings: true,
  attentionScale: byHeadDim,
};

export const gemma2: Family = {
  ...gemma,
  models: 'Gemma 2',
  sliding: { period: 2, window: 4096 },
  logitSoftcap: 30,
  attentionSoftcap: 50,
  attentionScale: scaleUnless(46),
};

export const gemma3: Family = {
  ...gemma,
  models: 'Gemma 3',
  sliding: { period: 6, window: 0, ropeBase: 10_000 },
  logitSoftcap: 0,
  attentionScale: scaleUnless(62),
};

export const gemma4: Family = {
  ...gemma,
  models: 'Gemma 4 (E2B, E4B, 26B-A4B, 31B)',
  sliding: { period: 6, window: 0, ropeBase: 10_000, ropeFactors: false },
  ropeFactors: true,
  valueNorm: true,
  sharedStates: true,
  logitSoftcap: 30,
  experts: { routing: 'softmax', normalised: true, optional: true, shared: 'layer', someLayers: true },
  attentionScale: () => 1,
};
