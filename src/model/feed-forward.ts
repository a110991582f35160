/**
 * The feed-forward of a layer: one for all tokens, or experts of which a router chooses some for each token.
 *
 * Of the experts only the chosen ones are computed. Shapes are ggml's, innermost first.
 */
import type { GraphContext } from '../ggml/graph-context.ts';
import type { Tensor } from '../ggml/tensor.ts';
import type { ExpertParameters, HyperParameters } from './hyper-parameters.ts';
import type { DenseFeedForward, ExpertFeedForward, ExpertLinear, FeedForward, Linear } from './layers.ts';

export type LinearMap = (linear: Linear, x: Tensor) => Tensor;

/** @param h [embedding, tokens] @returns the same shape */
export function feedForward(g: GraphContext, linear: LinearMap, layer: FeedForward, h: Tensor, hp: HyperParameters) {
  if (!('router' in layer)) return dense(g, linear, layer, h, hp);
  if (hp.experts === undefined) throw new Error('a layer with a router belongs to a model with experts');
  const routed = experts(g, linear, layer, h, hp, hp.experts);
  if (layer.shared === undefined) return routed;
  const gate = g.sigmoid(linear(layer.shared.gate, h)); // [1, tokens]
  return g.add(routed, g.mul(dense(g, linear, layer.shared.feedForward, h, hp), gate));
}

function dense(g: GraphContext, linear: LinearMap, { gateUp, down }: DenseFeedForward, h: Tensor, hp: HyperParameters) {
  if (!('fused' in gateUp)) return linear(down, activate(g, linear(gateUp.gate, h), linear(gateUp.up, h), hp));
  const both = linear(gateUp.fused, h); // [2 * feedForward, tokens]
  const width = both.ne[0] / 2;
  const half = (first: number) => g.view(both, [width, h.ne[1], 1, 1], both.nb[1], both.nb[2], both.nb[3], first * 4);
  return linear(down, activate(g, half(0), half(width), hp));
}

function activate(g: GraphContext, gate: Tensor, up: Tensor, { family }: HyperParameters): Tensor {
  if (family.activation === 'gelu') return g.geglu(gate, up);
  return family.activation === 'clamped' ? g.swigluClamped(gate, up, 1.702, 7) : g.swiglu(gate, up);
}

function experts(
  g: GraphContext,
  linear: LinearMap,
  { router, gate, up, down }: ExpertFeedForward,
  h: Tensor,
  hp: HyperParameters,
  { count, used, routing, normalised, scale }: ExpertParameters,
): Tensor {
  const [width, tokens] = h.ne;
  const logits = linear(router, h); // [count, tokens]
  const scores = routing === 'chosen' ? logits : routing === 'sigmoid' ? g.sigmoid(logits) : g.softMax(logits, null, 1);
  const chosen = g.topK(scores, used); // i32 [used, tokens]
  let weights = g.reshape(g.getRows(g.reshape(scores, 1, count, tokens), chosen), used, tokens);
  if (routing === 'chosen') weights = g.softMax(weights, null, 1);
  // As llama.cpp has it: no sum below the least that 16 bits hold.
  if (normalised) weights = g.div(weights, g.clamp(g.sumRows(weights), 2 ** -14, Number.POSITIVE_INFINITY));
  if (scale !== 1) weights = g.scale(weights, scale);
  const product = (expert: ExpertLinear, x: Tensor) => {
    const y = g.mulMatId(expert.weight, x, chosen);
    return expert.bias === undefined ? y : g.addId(y, expert.bias, chosen);
  };
  const x = g.reshape(h, width, 1, tokens);
  const hidden = activate(g, product(gate, x), product(up, x), hp); // [expert width, used, tokens]
  const weighted = g.mul(product(down, hidden), g.reshape(weights, 1, used, tokens)); // [embedding, used, tokens]
  const { nb } = weighted;
  const of = (i: number) => g.view(weighted, [width, tokens, 1, 1], nb[2], nb[3], nb[3], i * nb[1]);
  let sum = used === 1 ? g.cont(of(0)) : of(0);
  for (let i = 1; i < used; i++) sum = g.add(sum, of(i));
  return sum;
}
