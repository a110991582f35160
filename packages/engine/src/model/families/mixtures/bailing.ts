/** Ling and Ring: experts with a shared one; the second generation routes within groups and normalises queries and keys. */
import { byHeadDim, type Family } from '../family.ts';

export const bailingmoe: Family = {
  models: 'Ling Lite, Ling Plus',
  ropePairs: 'norm',
  activation: 'silu',
  experts: { routing: 'softmax', normalised: 'file', shared: 'plain' },
  attentionScale: byHeadDim,
};

export const bailingmoe2: Family = {
  ...bailingmoe,
  models: 'Ling 2.0 (mini, flash), Ring 2.0',
  ropePairs: 'neox',
  ropeFactors: false,
  experts: { routing: 'sigmoid', normalised: 'file', shared: 'plain', sharedEach: true, someLayers: true },
};
