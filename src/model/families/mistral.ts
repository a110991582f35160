/** Ministral 3 and Mistral Small 4's dense kin: Llama with YaRN's own keys and queries that grow with their position. */
import { configurable, type Family } from './family.ts';

export const mistral3: Family = {
  models: 'Ministral 3',
  ropePairs: 'norm',
  activation: 'silu',
  yarnKeys: true,
  temperature: true,
  attentionScale: configurable,
};
