/** Granite 3 and 4 without recurrent layers: Llama with factors of embeddings, residuals, scores and logits. */
import { configurable, type Family } from './family.ts';

export const granite: Family = {
  models: 'Granite 3, Granite 4 (dense)',
  ropePairs: 'norm',
  // The key says elsewhere how a model was trained, here whether it has a rotary embedding.
  rotates: ({ reader }) => reader.number('rope.scaling.finetuned') !== 0,
  activation: 'silu',
  multipliers: true,
  logitScale: 'divides',
  attentionScale: configurable,
};

export const granitemoe: Family = {
  ...granite,
  models: 'Granite 3 MoE',
  experts: { routing: 'softmax', normalised: true, shared: 'plain' },
};
