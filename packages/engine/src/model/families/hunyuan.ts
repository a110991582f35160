/** Hunyuan: queries and keys are normalised behind their rotation. */
import { byHeadDim, type Family } from './family.ts';

export const hunyuanDense: Family = {
  models: 'Hunyuan 0.5B to 7B, Hunyuan MT',
  ropePairs: 'neox',
  activation: 'silu',
  queryKeyNorm: 'rotated',
  ntkAlpha: true,
  attentionScale: byHeadDim,
};

export const hunyuanMoe: Family = {
  ...hunyuanDense,
  models: 'Hunyuan A13B',
  ntkAlpha: false,
  experts: { routing: 'softmax', normalised: true, shared: 'plain', sharedCount: 1 },
};
