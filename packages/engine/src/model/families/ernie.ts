/** ERNIE 4.5 and its mixtures of experts, whose choice has a bias. */
import { byHeadDim, type Family } from './family.ts';

export const ernie45: Family = {
  models: 'ERNIE 4.5',
  ropePairs: 'norm',
  ropeFactors: false,
  activation: 'silu',
  attentionScale: byHeadDim,
};

export const ernie45moe: Family = {
  ...ernie45,
  models: 'ERNIE 4.5 MoE',
  experts: { routing: 'softmax', normalised: true, shared: 'plain', someLayers: true },
};
