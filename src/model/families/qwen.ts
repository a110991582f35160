/** Qwen 2, 2.5 and 3, and their mixtures of experts. */
import { byHeadDim, type Family } from './family.ts';

export const qwen2: Family = { ropePairs: 'neox', activation: 'silu', attentionScale: byHeadDim };

export const qwen3: Family = { ropePairs: 'neox', activation: 'silu', attentionScale: byHeadDim };

export const qwen2moe: Family = { ...qwen2, experts: { routing: 'softmax', normalised: false, shared: 'gated' } };

export const qwen3moe: Family = { ...qwen3, experts: { routing: 'softmax', normalised: true } };
