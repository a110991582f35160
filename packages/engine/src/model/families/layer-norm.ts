/** Families with LayerNorm and biases: StarCoder 2, StableLM, Nemotron, Falcon, Phi-2. */
import { byHeadDim, type Family } from './family.ts';

export const starcoder2: Family = {
  models: 'StarCoder 2',
  ropePairs: 'neox',
  ropeFactors: false,
  norm: 'layer',
  activation: 'gelu',
  gated: false,
  attentionScale: byHeadDim,
};

export const nemotron: Family = { ...starcoder2, models: 'Nemotron mini, Minitron', activation: 'squared relu' };

/** Without a second norm both parts read the same: Falcon 7B. Of two, the first is the feed-forward's: Falcon 40B. */
export const falcon: Family = { ...starcoder2, models: 'Falcon 7B, Falcon 40B', parallel: true };

export const phi2: Family = { ...starcoder2, models: 'Phi-1, Phi-2', parallel: true };

/** The largest has no second norm, and norms of its own for every head. */
export const stablelm: Family = {
  models: 'StableLM 2, StableLM Zephyr',
  ropePairs: 'neox',
  ropeFactors: false,
  norm: 'layer',
  parallel: true,
  queryKeyNorm: 'each',
  activation: 'silu',
  attentionScale: byHeadDim,
};
