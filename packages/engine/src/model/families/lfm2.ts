/** LFM2: most layers have a gated short convolution, the others attention with norms of queries and keys. */
import { byHeadDim, type Family } from './family.ts';

const shared = {
  ropePairs: 'neox',
  ropeFactors: false,
  shortConvolutions: true,
  outputNorm: 'token_embd_norm',
  activation: 'silu',
  attentionScale: byHeadDim,
} as const;

export const lfm2: Family = {
  ...shared,
  models: 'LFM2 350M to 2.6B, LFM2.5',
  sliding: { period: 0, window: 0 },
};

export const lfm2moe: Family = {
  ...shared,
  models: 'LFM2 8B-A1B, 24B-A2B',
  experts: { routing: 'sigmoid', normalised: true, someLayers: true },
};
