/** Llama 2 and 3, Mistral, Mixtral, TinyLlama, SmolLM 1 and 2, Tulu; SmolLM3. */
import { configurable, type Family } from './family.ts';

export const llama: Family = {
  ropePairs: 'norm',
  activation: 'silu',
  experts: { routing: 'softmax', normalised: true },
  attentionScale: configurable,
};

export const smollm3: Family = { ropePairs: 'norm', activation: 'silu', nopePeriod: 4, attentionScale: configurable };
