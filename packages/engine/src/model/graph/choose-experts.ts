/** Which experts a token meets, and how much each counts. */
import type { GraphContext } from '../../ggml/graph/graph-context.ts';
import type { Tensor } from '../../ggml/graph/tensor.ts';
import type { HyperParameters } from '../architecture/hyper-parameters.ts';
import type { ExpertFeedForward } from '../weights/layers.ts';
import type { FeedForwardInput, LinearMap } from './feed-forward.ts';
import { normalised } from './norm.ts';

export interface ChosenExperts {
  readonly chosen: Tensor; // i32 [used, tokens]
  readonly weights: Tensor; // f32 [used, tokens]
}

export function chooseExperts(
  g: GraphContext,
  linear: LinearMap,
  layer: ExpertFeedForward,
  input: FeedForwardInput,
  hp: HyperParameters,
): ChosenExperts {
  if (hp.experts === undefined) throw new Error('a layer with a router belongs to a model with experts');
  const { count, used, groups, groupsUsed, routing, normalised: divided, scale } = hp.experts;
  const tokens = input.h.ne[1];
  const logits = linear(layer.router, routerInput(g, layer, input, hp)); // [count, tokens]
  const scores = routing === 'chosen' ? logits : routing === 'sigmoid' ? g.sigmoid(logits) : g.softMax(logits, null, 1);
  const by = layer.choiceBias === undefined ? scores : g.add(scores, layer.choiceBias);
  const chosen = g.topK(groups === 1 ? by : inBestGroups(g, by, groups, groupsUsed), used);
  const at = (values: Tensor) => g.reshape(g.getRows(g.reshape(values, 1, count, tokens), chosen), used, tokens);
  let weights = at(scores);
  if (routing === 'chosen') weights = g.softMax(weights, null, 1);
  // As llama.cpp has it: no sum below the least that 16 bits hold.
  if (divided) weights = g.div(weights, g.clamp(g.sumRows(weights), 2 ** -14, Number.POSITIVE_INFINITY));
  if (scale !== 1) weights = g.scale(weights, scale);
  const { downScale } = layer;
  if (downScale !== undefined) {
    weights = g.mul(weights, at(g.cont(g.repeat(g.reshape(downScale, count, 1), count, tokens, 1))));
  }
  return { chosen, weights };
}

/**
 * Scores of experts that are not in the best groups become -infinity. A group is as good as its best two together
 * (DeepSeek V3).
 * @param scores [count, tokens]
 * @returns the same shape
 */
function inBestGroups(g: GraphContext, scores: Tensor, groups: number, used: number): Tensor {
  const [count, tokens] = scores.ne;
  const each = count / groups;
  const grouped = g.reshape(scores, each, groups, tokens);
  const bestTwo = g.getRows(g.reshape(scores, 1, each, groups, tokens), g.topK(grouped, 2)); // [1, 2, groups, tokens]
  const sums = g.sumRows(g.reshape(bestTwo, 2, groups, tokens));
  const best = g.topK(g.reshape(sums, groups, tokens), used); // i32 [used, tokens]
  const none = g.fill(grouped, Number.NEGATIVE_INFINITY);
  return g.reshape(g.scatterRows(none, g.getRows(grouped, best), best), count, tokens);
}

function routerInput(
  g: GraphContext,
  { routerScale }: ExpertFeedForward,
  { h, x, before }: FeedForwardInput,
  hp: HyperParameters,
) {
  if (hp.experts?.routerReads === 'layer') return before;
  if (routerScale === undefined) return h;
  return g.mul(g.scale(normalised(g, x, hp), 1 / Math.sqrt(x.ne[0])), routerScale);
}
