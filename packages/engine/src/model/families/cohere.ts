/** Command R, R+ and R7B, Aya: LayerNorm, attention and feed-forward side by side, scaled logits. */
import { byHeadDim, type Family } from './family.ts';

export const commandR: Family = {
  models: 'Command R, Command R+, Aya',
  ropePairs: 'norm',
  ropeFactors: false,
  norm: 'layer',
  parallel: true,
  queryKeyNorm: 'each',
  activation: 'silu',
  logitScale: 'multiplies',
  attentionScale: byHeadDim,
};

export const cohere2: Family = {
  ...commandR,
  models: 'Command R7B, Command A',
  ropeFactors: true,
  rotates: ({ windowed }) => windowed,
  sliding: { period: 4, window: 0 },
};
