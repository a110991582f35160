/** GLM 4: norms on both sides, half of each head rotated; GLM 4.5 routes over experts after its first layers. */
import { byHeadDim, type Family } from './family.ts';

export const glm4: Family = {
  models: 'GLM 4, GLM 4 Z1',
  ropePairs: 'norm',
  ropeFactors: false,
  activation: 'silu',
  attentionScale: byHeadDim,
};

export const glm4moe: Family = {
  ...glm4,
  models: 'GLM 4.5, GLM 4.6, GLM 4.5 Air',
  ropePairs: 'neox',
  feedForwardNorm: 'post_attention_norm',
  experts: { routing: 'sigmoid', normalised: 'file', shared: 'plain', someLayers: true },
};
