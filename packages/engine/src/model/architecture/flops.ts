/**
 * Floating-point operations to the first token, counted, not measured.
 *
 * `linear` counts the matrices alone, as the paper's table does; `attention` the scores and weighted values, which the
 * paper leaves out and which dominate long contexts. A multiply-add is two operations.
 */
import type { HyperParameters } from './hyper-parameters.ts';
import { type AttentionParameters, windowsOf } from './layer-attention.ts';
import { isConvolution } from './mixers.ts';
import type { ConvolutionParameters } from './short-convolution.ts';

export interface Flops {
  readonly linear: number;
  readonly attention: number;
  readonly total: number;
}

/** Weights that a token is multiplied by, the output head apart. */
export function linearWeights(hp: HyperParameters): number {
  return hp.mixers.reduce((sum, mixer, layer) => {
    const mixing = isConvolution(mixer) ? convolutionWeights(hp, mixer) : attentionWeights(hp, mixer);
    return sum + mixing + feedForwardWeights(hp, layer);
  }, 0);
}

/** Two gates and an input, the sum over tokens, and the way back. */
function convolutionWeights(
  { embeddingLength: d }: HyperParameters,
  { taps, channels }: ConvolutionParameters,
): number {
  return channels * (3 * d + taps + d);
}

function attentionWeights({ embeddingLength: d }: HyperParameters, layer: AttentionParameters): number {
  const { heads, kvHeads, headDim, valueDim, borrows, latent } = layer;
  if (latent === undefined) return d * (heads * (headDim + valueDim) + (borrows ? 0 : kvHeads * (headDim + valueDim)));
  const { rank, plainDim, rotatedDim, outputDim, queryRank } = latent;
  const queries = heads * (plainDim + rotatedDim);
  const query = queryRank === 0 ? d * queries : queryRank * (d + queries);
  return query + d * (rank + rotatedDim) + heads * (rank * (plainDim + outputDim) + outputDim * d);
}

/** Of one layer; of experts, those that a token meets. */
function feedForwardWeights(hp: HyperParameters, layer: number): number {
  const { embeddingLength: d, family, feedForwardLengths, experts, tokenInputLength } = hp;
  const input = 3 * d * tokenInputLength;
  const maps = family.gated === false ? 2 : 3;
  if (experts?.layers[layer] !== true) return input + maps * d * (feedForwardLengths[layer] ?? 0);
  return input + d * experts.count + 3 * d * (experts.used * experts.feedForwardLength + experts.sharedLength);
}

/** Multiplied elements of the keys that queries at positions [first, first + queries) see, over all layers and heads. */
function keyElements(hp: HyperParameters, first: number, queries: number): number {
  const causal = queries * first + (queries * (queries + 1)) / 2;
  const seen = new Map([[0, causal]]);
  for (const window of windowsOf(hp.attention)) {
    let keys = 0;
    for (let i = first + 1; i <= first + queries; i++) keys += Math.min(i, window);
    seen.set(window, keys);
  }
  return hp.attention.reduce(
    (sum, { window, heads, headDim, valueDim }) => sum + heads * (headDim + valueDim) * (seen.get(window) ?? causal),
    0,
  );
}

/** Reading `queries` tokens that stand after `context` tokens whose states are present, to `rows` rows of logits. */
export function promptFlops(hp: HyperParameters, context: number, queries: number, rows = 1): Flops {
  const linear = 2 * linearWeights(hp) * queries + 2 * hp.embeddingLength * hp.vocabulary * rows;
  const attention = 2 * keyElements(hp, context, queries);
  return { linear, attention, total: linear + attention };
}

/** Encoding one block, behind so many tokens whose states are present. */
export function encodeFlops(hp: HyperParameters, tokens: number, before = 0): Flops {
  return recomputeFlops(hp, before, tokens);
}

/** States of `tokens` tokens that see the `context` tokens before them. */
export function recomputeFlops(hp: HyperParameters, context: number, tokens: number): Flops {
  const linear = 2 * linearWeights(hp) * tokens;
  const attention = 2 * keyElements(hp, context, tokens);
  return { linear, attention, total: linear + attention };
}
