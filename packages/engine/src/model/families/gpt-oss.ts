/** gpt-oss: experts with biases and a clamped activation, sinks, windows on every other layer. */
import { byHeadDim, type Family } from './family.ts';

export const gptOss: Family = {
  models: 'gpt-oss',
  ropePairs: 'neox',
  activation: 'clamped',
  sliding: { period: 2, window: 128 },
  ropeFactors: false,
  attentionSinks: true,
  feedForwardNorm: 'post_attention_norm',
  experts: { routing: 'chosen', normalised: false },
  attentionScale: byHeadDim,
};
