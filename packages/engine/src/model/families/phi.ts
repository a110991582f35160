/** Phi-3 and Phi-3.5: fused projections, partial rotary embedding, longrope. */
import { byHeadDim, type Family } from './family.ts';

export const phi3: Family = {
  models: 'Phi-3, Phi-3.5, Phi-4',
  ropePairs: 'neox',
  activation: 'silu',
  attentionScale: byHeadDim,
};
