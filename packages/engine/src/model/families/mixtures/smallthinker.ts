/** SmallThinker: routers read what comes into the layer; layers with a window are rotated, the others are not. */
import { byHeadDim, type Family } from '../family.ts';

export const smallthinker: Family = {
  models: 'SmallThinker 4B-A0.6B, 21B-A3B',
  ropePairs: 'neox',
  ropeFactors: false,
  rotates: ({ windowed, anyWindow }) => windowed || !anyWindow,
  sliding: { period: 4, window: 0, fullFirst: true },
  activation: 'relu',
  experts: { routing: 'softmax', normalised: true, routerReads: 'layer' },
  attentionScale: byHeadDim,
};
