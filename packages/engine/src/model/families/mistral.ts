/** Ministral 3 and Mistral Small 4's dense kin: Llama with YaRN's own keys and queries that grow with their position. */
import { configurable, type Family } from './family.ts';

export const mistral3: Family = {
  models: 'Ministral 3',
  ropePairs: 'norm',
  activation: 'silu',
  yarnKeys: true,
  yarnOverall: (reader) => reader.number('rope.scaling.yarn_log_multiplier') ?? 0,
  temperature: true,
  attentionScale: configurable,
};
