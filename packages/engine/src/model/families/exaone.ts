/** EXAONE 4: norms after both parts; the largest has windows, and only windowed layers are rotated there. */
import { byHeadDim, type Family } from './family.ts';

export const exaone4: Family = {
  models: 'EXAONE 4',
  ropePairs: 'neox',
  rotates: ({ windowed, anyWindow }) => windowed || !anyWindow,
  activation: 'silu',
  postNormed: true,
  sliding: { period: 4, window: 4096, when: ({ layers }) => layers === 64 },
  attentionScale: byHeadDim,
};
