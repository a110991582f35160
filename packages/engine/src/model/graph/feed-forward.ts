/**
 * The feed-forward of a layer: one for all tokens, or experts of which a router chooses some for each token.
 *
 * Of the experts only the chosen ones are computed. Shapes are ggml's, innermost first.
 */
import type { GraphContext } from '../../ggml/graph/graph-context.ts';
import type { Tensor } from '../../ggml/graph/tensor.ts';
import type { HyperParameters } from '../architecture/hyper-parameters.ts';
import type { DenseFeedForward, ExpertFeedForward, ExpertLinear, FeedForward, Linear } from '../weights/layers.ts';
import { chooseExperts } from './choose-experts.ts';
import { norm } from './norm.ts';

export type LinearMap = (linear: Linear, x: Tensor) => Tensor;

/** How a graph multiplies with a layer's weights. */
export interface LinearMaps {
  readonly linear: LinearMap;
  /** Several that read the same: y of each. */
  readonly linears: (linears: readonly Linear[], x: Tensor) => Tensor[];
  /** @param x [inputs, 1 or used, tokens] @param chosen i32 [used, tokens] @returns [outputs, used, tokens] */
  readonly experts: (experts: ExpertLinear, x: Tensor, chosen: Tensor) => Tensor;
}

/** What a layer's feed-forward may read, [embedding, tokens] each. */
export interface FeedForwardInput {
  /** Normalised. */
  readonly h: Tensor;
  /** The residual that `h` is made of. */
  readonly x: Tensor;
  /** The residual as it came into the layer. */
  readonly before: Tensor;
}

/** @returns [embedding, tokens] */
export function feedForward(
  g: GraphContext,
  maps: LinearMaps,
  layer: FeedForward,
  input: FeedForwardInput,
  hp: HyperParameters,
): Tensor {
  const { h } = input;
  const { linear } = maps;
  if (!('router' in layer)) return dense(g, maps, layer, h, hp);
  const routed = experts(g, maps, layer, input, hp);
  if (layer.shared === undefined) return routed;
  const { gate, postNorm } = layer.shared;
  let shared = dense(g, maps, layer.shared.feedForward, h, hp);
  if (gate !== undefined) shared = g.mul(shared, g.sigmoid(linear(gate, h))); // [1, tokens]
  if (postNorm !== undefined) shared = norm(g, shared, postNorm, hp);
  return g.add(routed, shared);
}

function dense(g: GraphContext, maps: LinearMaps, { gateUp, down }: DenseFeedForward, h: Tensor, hp: HyperParameters) {
  const { linear } = maps;
  if ('gate' in gateUp) {
    const [gate, up] = maps.linears([gateUp.gate, gateUp.up], h) as [Tensor, Tensor];
    return linear(down, activate(g, gate, up, hp));
  }
  if ('up' in gateUp) return linear(down, ungated(g, linear(gateUp.up, h), hp));
  return linear(down, activate(g, ...halves(g, linear(gateUp.fused, h)), hp));
}

/** @param both [2 * width, …] @returns gate and up, [width, …] each */
function halves(g: GraphContext, both: Tensor): [Tensor, Tensor] {
  const width = both.ne[0] / 2;
  const { ne, nb } = both;
  const half = (first: number) => g.view(both, [width, ne[1], ne[2], ne[3]], nb[1], nb[2], nb[3], first * 4);
  return [half(0), half(width)];
}

function activate(g: GraphContext, gate: Tensor, up: Tensor, { family }: HyperParameters): Tensor {
  if (family.activation === 'gelu') return g.geglu(gate, up);
  if (family.activation === 'relu') return g.reglu(gate, up);
  return family.activation === 'clamped' ? g.swigluClamped(gate, up, 1.702, 7) : g.swiglu(gate, up);
}

function ungated(g: GraphContext, up: Tensor, { family }: HyperParameters): Tensor {
  return family.activation === 'squared relu' ? g.square(g.relu(up)) : g.gelu(up);
}

function experts(
  g: GraphContext,
  { linear, experts: map }: LinearMaps,
  layer: ExpertFeedForward,
  from: FeedForwardInput,
  hp: HyperParameters,
): Tensor {
  const { gateUp, down, postNorm } = layer;
  const { h, x } = from;
  const [width, tokens] = h.ne;
  const { chosen, weights } = chooseExperts(g, linear, layer, from, hp);
  const used = chosen.ne[0];
  const product = (expert: ExpertLinear, input: Tensor) => map(expert, input, chosen);
  const read = layer.norm === undefined ? h : norm(g, x, layer.norm, hp);
  const input = g.reshape(read, width, 1, tokens);
  const [gate, up] =
    'fused' in gateUp
      ? halves(g, product(gateUp.fused, input))
      : [product(gateUp.gate, input), product(gateUp.up, input)];
  const hidden = activate(g, gate, up, hp); // [expert width, used, tokens]
  const weighted = g.mul(product(down, hidden), g.reshape(weights, 1, used, tokens)); // [embedding, used, tokens]
  const { nb } = weighted;
  const of = (i: number) => g.view(weighted, [width, tokens, 1, 1], nb[2], nb[3], nb[3], i * nb[1]);
  let sum = used === 1 ? g.cont(of(0)) : of(0);
  for (let i = 1; i < used; i++) sum = g.add(sum, of(i));
  return postNorm === undefined ? sum : norm(g, sum, postNorm, hp);
}
