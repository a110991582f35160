/** Llama 2 and 3, Mistral, Mixtral, TinyLlama, SmolLM 1 and 2, Tulu; SmolLM3. */
import { configurable, type Family } from './family.ts';

export const llama: Family = {
  models: 'Llama 2 and 3, Mistral, Mixtral, TinyLlama, SmolLM 1 and 2, Tulu',
  ropePairs: 'norm',
  activation: 'silu',
  experts: { routing: 'softmax', normalised: true, optional: true },
  attentionScale: configurable,
};

export const smollm3: Family = {
  models: 'SmolLM3',
  ropePairs: 'norm',
  activation: 'silu',
  rotates: ({ layer }) => (layer + 1) % 4 !== 0,
  attentionScale: configurable,
};
