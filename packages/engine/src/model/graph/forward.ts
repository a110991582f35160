/**
 * The transformer as one ggml graph, for every family and every use: encoding, final block, decoding, reference.
 *
 * What differs between uses is what tokens see of each other, so that is an argument: the graph hands it q, k and v before
 * the rotary embedding and takes back the attended values, and likewise for short convolutions. Shapes are ggml's,
 * innermost first.
 */
import type { GraphContext } from '../../ggml/graph/graph-context.ts';
import type { Tensor } from '../../ggml/graph/tensor.ts';
import type { HyperParameters } from '../architecture/hyper-parameters.ts';
import type { LayerAttention } from '../architecture/layer-attention.ts';
import { isConvolution } from '../architecture/mixers.ts';
import type { LayerConvolution } from '../architecture/short-convolution.ts';
import type { Layer, Linear, LowRank, NamedWeights } from '../weights/layers.ts';
import type { LinearPath } from '../weights/linear-native.ts';
import { feedForward, type LinearMaps } from './feed-forward.ts';
import { latentResult } from './latent.ts';
import { norm } from './norm.ts';
import { projections } from './projections.ts';
import { shortConvolution } from './short-convolution.ts';
import { addTokenInput, tokenInputs } from './token-inputs.ts';

/** How queries meet keys in one graph. */
export interface Attention {
  /**
   * @param q [headDim, heads, tokens] after QK-norm, before the rotary embedding
   * @param k [headDim, kvHeads, tokens] likewise; undefined, like `v`, for a layer that borrows its states
   * @param v [valueDim, kvHeads, tokens]
   * @returns [valueDim * heads, tokens]
   */
  attend(layer: LayerAttention, q: Tensor, k: Tensor | undefined, v: Tensor | undefined): Tensor;

  /**
   * The sum over each token and those before it, by the layer's kernel; keeps the last inputs where states are kept.
   * @param x [channels, tokens]
   * @returns the same shape
   */
  convolve(layer: LayerConvolution, x: Tensor): Tensor;
}

/**
 * Rows that a writer acts on: all of them, or each as far as a number of its own says, f32 [1, tokens]. Rows whose logits
 * are wanted are none of them.
 */
export type WriterGate = 'all' | Tensor;

export interface ForwardModel {
  readonly hyperParameters: HyperParameters;
  readonly weights: NamedWeights;
}

/** Layers up to the last one that writes states: all that run where nothing is predicted. */
export function statefulLayers({ mixers }: HyperParameters): number {
  return mixers.findLastIndex((mixer) => isConvolution(mixer) || !mixer.borrows) + 1;
}

/**
 * Builds the forward pass.
 * @param tokens i32 [tokens]
 * @param outputs i32 [outputs]: rows whose logits are wanted; null when only keys and values matter (encoding), in which
 *   case the last layer that has any stops once they are written.
 * @param paths multiply all rows, and those that are wanted from the last layer's attention on. Default to ggml's
 * @param gate where the model's writer acts. Defaults to nowhere: then it is as if there were none, to the bit
 * @returns logits f32 [vocabulary, outputs], or null
 */
export function buildForward(
  g: GraphContext,
  model: ForwardModel,
  tokens: Tensor,
  outputs: Tensor | null,
  attention: Attention,
  paths: { readonly all?: LinearPath | undefined; readonly wanted?: LinearPath | undefined } = {},
  gate?: WriterGate,
): Tensor | null {
  const { hyperParameters: hp, weights } = model;
  let maps = linearMaps(g, paths.all, gate);
  let x = g.getRows(weights.embedding, tokens);
  if (hp.embeddingScale !== 1) x = g.scale(x, hp.embeddingScale);
  const inputs = weights.tokenInputs && tokenInputs(g, maps.linear, weights.tokenInputs, x, tokens, hp);
  const lastStates = statefulLayers(hp) - 1;
  for (const [index, layer] of weights.layers.entries()) {
    let h = layer.attentionNorm ? norm(g, x, layer.attentionNorm, hp) : x;
    const result = mix(g, maps, layer.mixer, h, attention, hp);
    // What was stored on the way is all that an encoded block keeps: the rest feeds nothing.
    if (index === lastStates && outputs === null) return null;
    let a = result();
    const wanted = index === hp.layers - 1 ? outputs : null;
    if (wanted !== null) {
      a = g.getRows(a, wanted);
      x = g.getRows(x, wanted);
      if (layer.parallel) h = g.getRows(h, wanted);
      maps = linearMaps(g, paths.wanted);
    }
    x = residual(g, maps, layer, { x, h, a }, hp);
    if (inputs !== undefined && layer.tokenInput !== undefined) {
      const own = inputs(index);
      x = addTokenInput(g, maps.linear, layer.tokenInput, x, wanted === null ? own : g.getRows(own, wanted), hp);
    }
    if (layer.outputScale) x = g.mul(x, layer.outputScale);
  }
  let logits = maps.linear(weights.output, norm(g, x, weights.outputNorm, hp));
  if (hp.logitScale !== 1) logits = g.scale(logits, hp.logitScale);
  if (hp.logitSoftcap !== 0) {
    logits = g.scale(g.tanh(g.scale(logits, 1 / hp.logitSoftcap)), hp.logitSoftcap);
  }
  return logits;
}

/** Lets a layer's tokens see each other. @param h [embedding, tokens] @returns what makes the result of it: the same shape */
function mix(
  g: GraphContext,
  maps: LinearMaps,
  mixer: Layer['mixer'],
  h: Tensor,
  attention: Attention,
  hp: HyperParameters,
): () => Tensor {
  const { linear } = maps;
  if ('convolution' in mixer) {
    return shortConvolution(g, linear, mixer, h, (layer, x) => attention.convolve(layer, x));
  }
  const { q, k, v } = projections(g, maps, mixer, h, hp);
  const attended = attention.attend(mixer.attention, q, k, v);
  return () => linear(mixer.output, mixer.valueUp === undefined ? attended : latentResult(g, mixer.valueUp, attended));
}

/** The residual after a layer. @param at it before, what attention read, and what attention gave: [embedding, tokens] */
function residual(
  g: GraphContext,
  maps: LinearMaps,
  layer: Layer,
  at: { readonly x: Tensor; readonly h: Tensor; readonly a: Tensor },
  hp: HyperParameters,
): Tensor {
  const scaled = (part: Tensor) => (hp.residualScale === 1 ? part : g.scale(part, hp.residualScale));
  const { feedForwardNorm, feedForwardPostNorm } = layer;
  const a = scaled(layer.attentionPostNorm ? norm(g, at.a, layer.attentionPostNorm, hp) : at.a);
  const x = layer.parallel ? at.x : g.add(a, at.x);
  const h = feedForwardNorm ? norm(g, x, feedForwardNorm, hp) : layer.parallel ? at.h : x;
  let f = feedForward(g, maps, layer.feedForward, { h, x, before: at.x }, hp);
  if (feedForwardPostNorm) f = norm(g, f, feedForwardPostNorm, hp);
  const sum = g.add(scaled(f), x);
  return layer.parallel ? g.add(sum, a) : sum;
}

function linearMaps(g: GraphContext, path?: LinearPath, gate?: WriterGate): LinearMaps {
  const product = (stored: Tensor, weight: Tensor, x: Tensor) => path?.matrix(stored, x) ?? g.mulMat(weight, x);
  const add = (y: Tensor, { b, scale }: LowRank, low: Tensor, rows: WriterGate) => {
    const scaled = scale === 1 ? low : g.scale(low, scale);
    const gated = rows === 'all' ? scaled : g.mul(scaled, rows);
    return path?.addLowRank?.(y, gated, b) ?? g.add(y, product(b, b, gated));
  };
  const linears = (all: readonly Linear[], x: Tensor): Tensor[] => {
    const changesOf = ({ adapter, writer }: Linear) => [
      ...(adapter === undefined ? [] : [{ change: adapter, rows: 'all' as const }]),
      ...(writer === undefined || gate === undefined ? [] : [{ change: writer, rows: gate }]),
    ];
    const firsts = all.flatMap((map) => changesOf(map).map(({ change }) => change.a));
    const joint = path?.matrices?.([...all.map(({ stored }) => stored), ...firsts], x);
    const lows = joint?.slice(all.length) ?? path?.lows?.(firsts, x);
    return all.map((map, i) => {
      let y = joint?.[i] ?? product(map.stored, map.weight, x);
      for (const { change, rows } of changesOf(map)) {
        y = add(y, change, lows?.[firsts.indexOf(change.a)] ?? product(change.a, change.a, x), rows);
      }
      return map.bias ? g.add(y, map.bias) : y;
    });
  };
  return {
    linear: (map, x) => linears([map], x)[0] as Tensor,
    linears,
    experts: ({ weight, stored, bias }, x, chosen) => {
      const y = path?.experts(stored, x, chosen) ?? g.mulMatId(weight, x, chosen);
      return bias ? g.addId(y, bias, chosen) : y;
    },
  };
}
