/** Qwen 2, 2.5 and 3, and their mixtures of experts. */
import { byHeadDim, type Family } from './family.ts';

export const qwen2: Family = {
  models: 'Qwen 2, Qwen 2.5, DeepSeek-R1 distilled',
  ropePairs: 'neox',
  activation: 'silu',
  attentionScale: byHeadDim,
};

export const qwen3: Family = { ...qwen2, models: 'Qwen 3' };

/** Text alone: images come with a model of their own, which is not read. */
export const qwen2vl: Family = { ...qwen2, models: 'Qwen 2 VL, Qwen 2.5 VL (text)' };

export const qwen3vl: Family = { ...qwen3, models: 'Qwen 3 VL (text)' };

export const qwen2moe: Family = {
  ...qwen2,
  models: 'Qwen 1.5 MoE, Qwen 2 MoE',
  experts: { routing: 'softmax', normalised: false, shared: 'gated' },
};

export const qwen3moe: Family = {
  ...qwen2,
  models: 'Qwen 3 MoE (30B-A3B, Coder)',
  experts: { routing: 'softmax', normalised: true },
};

export const qwen3vlmoe: Family = { ...qwen3moe, models: 'Qwen 3 VL MoE (text)' };
