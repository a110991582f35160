/** Seed-OSS. */
import { configurable, type Family } from './family.ts';

export const seedOss: Family = {
  models: 'Seed-OSS',
  ropePairs: 'neox',
  ropeFactors: false,
  activation: 'silu',
  feedForwardNorm: 'post_attention_norm',
  attentionScale: configurable,
};
