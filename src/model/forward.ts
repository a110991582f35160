/**
 * The transformer as one ggml graph, for every family and every use: encoding, final block, decoding, reference.
 *
 * What differs between uses is attention alone, so that is an argument: the graph hands it q, k and v before the
 * rotary embedding and takes back the attended values. Shapes are ggml's, innermost first.
 */
import type { GraphContext } from '../ggml/graph-context.ts';
import type { Tensor } from '../ggml/tensor.ts';
import { feedForward, type LinearMap } from './feed-forward.ts';
import type { HyperParameters } from './hyper-parameters.ts';
import type { LayerAttention } from './layer-attention.ts';
import type { Layer, LowRank, NamedWeights } from './layers.ts';
import type { LinearPath } from './linear-native.ts';

/** How queries meet keys in one graph. */
export interface Attention {
  /**
   * @param q [headDim, heads, tokens] after QK-norm, before the rotary embedding
   * @param k [headDim, kvHeads, tokens] likewise
   * @param v [headDim, kvHeads, tokens]
   * @returns [headDim * heads, tokens]
   */
  attend(layer: LayerAttention, q: Tensor, k: Tensor, v: Tensor): Tensor;
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

/**
 * Builds the forward pass.
 * @param tokens i32 [tokens]
 * @param outputs i32 [outputs]: rows whose logits are wanted; null when only keys and values matter (encoding), in which
 *   case the last layer stops once its keys and values are written.
 * @param path multiplies all rows; what only the wanted rows meet, usually one, stays ggml's
 * @param gate where the model's writer acts. Defaults to nowhere: then it is as if there were none, to the bit
 * @returns logits f32 [vocabulary, outputs], or null
 */
export function buildForward(
  g: GraphContext,
  model: ForwardModel,
  tokens: Tensor,
  outputs: Tensor | null,
  attention: Attention,
  path?: LinearPath,
  gate?: WriterGate,
): Tensor | null {
  const { hyperParameters: hp, weights } = model;
  let linear = linearMap(g, path, gate);
  let x = g.getRows(weights.embedding, tokens);
  if (hp.embeddingScale !== 1) x = g.scale(x, hp.embeddingScale);
  for (const [index, layer] of weights.layers.entries()) {
    const last = index === hp.layers - 1;
    const h = norm(g, x, layer.attentionNorm, hp);
    const { q, k, v } = projections(g, linear, layer, h, hp);
    const attended = attention.attend(layer.attention, q, k, v);
    if (last && outputs === null) {
      // Keys and values are all that an encoded block keeps: the rest of the last layer feeds nothing.
      return null;
    }
    let a = linear(layer.attentionOutput, attended);
    if (last && outputs !== null) {
      a = g.getRows(a, outputs);
      x = g.getRows(x, outputs);
      linear = linearMap(g);
    }
    if (layer.attentionPostNorm) a = norm(g, a, layer.attentionPostNorm, hp);
    x = g.add(a, x);
    let f = feedForward(g, linear, layer.feedForward, norm(g, x, layer.feedForwardNorm, hp), hp);
    if (layer.feedForwardPostNorm) f = norm(g, f, layer.feedForwardPostNorm, hp);
    x = g.add(f, x);
  }
  let logits = linear(weights.output, norm(g, x, weights.outputNorm, hp));
  if (hp.logitSoftcap !== 0) {
    logits = g.scale(g.tanh(g.scale(logits, 1 / hp.logitSoftcap)), hp.logitSoftcap);
  }
  return logits;
}

function norm(g: GraphContext, x: Tensor, weight: Tensor, hp: HyperParameters): Tensor {
  return g.mul(g.rmsNorm(x, hp.normEpsilon), weight);
}

function linearMap(g: GraphContext, path?: LinearPath, gate?: WriterGate): LinearMap {
  const product = (stored: Tensor, weight: Tensor, x: Tensor) => path?.(stored, x) ?? g.mulMat(weight, x);
  const change = ({ a, b, scale }: LowRank, x: Tensor, rows: WriterGate) => {
    const low = product(a, a, x); // [rank, tokens]
    const scaled = scale === 1 ? low : g.scale(low, scale);
    return product(b, b, rows === 'all' ? scaled : g.mul(scaled, rows));
  };
  return ({ weight, stored, bias, adapter, writer }, x) => {
    let y = product(stored, weight, x);
    if (adapter) y = g.add(y, change(adapter, x, 'all'));
    if (writer && gate) y = g.add(y, change(writer, x, gate));
    return bias ? g.add(y, bias) : y;
  };
}

function projections(g: GraphContext, linear: LinearMap, layer: Layer, h: Tensor, hp: HyperParameters) {
  const { headDim, heads, kvHeads } = hp;
  const tokens = h.ne[1];
  let q: Tensor;
  let k: Tensor;
  let v: Tensor;
  if ('fused' in layer.qkv) {
    const qkv = linear(layer.qkv.fused, h); // [(heads + 2 kvHeads) * headDim, tokens]
    const rows = headDim * 4;
    const part = (n: number, first: number) =>
      g.view(qkv, [headDim, n, tokens, 1], rows, qkv.nb[1], qkv.nb[2], first * rows);
    q = part(heads, 0);
    k = part(kvHeads, heads);
    v = part(kvHeads, heads + kvHeads);
  } else {
    q = g.reshape(linear(layer.qkv.q, h), headDim, heads, tokens);
    k = g.reshape(linear(layer.qkv.k, h), headDim, kvHeads, tokens);
    v = g.reshape(linear(layer.qkv.v, h), headDim, kvHeads, tokens);
  }
  if (layer.queryNorm) q = norm(g, q, layer.queryNorm, hp);
  if (layer.keyNorm) k = norm(g, k, layer.keyNorm, hp);
  return { q, k, v };
}
