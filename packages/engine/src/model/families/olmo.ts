/** OLMo 2 and 3: norms after both parts, queries and keys normalised over all heads; OLMo 3 has windows. OLMoE. */
import { byHeadDim, type Family } from './family.ts';

export const olmo2: Family = {
  models: 'OLMo 2, OLMo 3',
  ropePairs: 'neox',
  activation: 'silu',
  postNormed: true,
  queryKeyNorm: 'whole',
  sliding: { period: 4, window: 0, ropeBase: 'plain', ropeFactors: false },
  ropeFactors: false,
  attentionScale: byHeadDim,
};

export const olmoe: Family = {
  models: 'OLMoE',
  ropePairs: 'neox',
  activation: 'silu',
  queryKeyNorm: 'whole',
  ropeFactors: false,
  experts: { routing: 'softmax', normalised: false },
  attentionScale: byHeadDim,
};
