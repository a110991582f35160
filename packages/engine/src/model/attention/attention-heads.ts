/**
 * The pieces that every portable attention is made of: rotation, scores, weighted values, head merging.
 */
import type { GraphContext } from '../../ggml/graph/graph-context.ts';
import type { Tensor } from '../../ggml/graph/tensor.ts';
import type { LayerAttention } from '../architecture/layer-attention.ts';

/** Rotates `x` [headDim, heads, tokens] at `positions` as a layer does; layers without RoPE return it unchanged. */
export function rotate(g: GraphContext, layer: LayerAttention, x: Tensor, positions: Tensor): Tensor {
  return layer.rope === undefined ? x : g.rope(x, positions, layer.ropeFactors ?? null, layer.rope);
}

/** A query like rotate(), with what a layer multiplies it by after its rotation. */
export function rotateQuery(g: GraphContext, layer: LayerAttention, q: Tensor, positions: Tensor): Tensor {
  return layer.queryGains.reduce((x, gain) => g.mul(x, gain), rotate(g, layer, q, positions));
}

/** Keys and values of a whole prompt in one graph, for layers that borrow those of an earlier one. */
export class PromptStates {
  readonly #slots = new Map<number, { readonly k: Tensor; readonly v: Tensor }>();

  /** What a layer attends to: its own, kept for those after it, or what lies in its slot. */
  of(
    { slot }: LayerAttention,
    k: Tensor | undefined,
    v: Tensor | undefined,
  ): { readonly k: Tensor; readonly v: Tensor } {
    if (k !== undefined && v !== undefined) this.#slots.set(slot, { k, v });
    const states = this.#slots.get(slot);
    if (states === undefined) throw new Error(`no layer has written slot ${slot}`);
    return states;
  }
}

/** Scores [keys, queries, heads] to weights: scaled, capped, masked, normalised, a layer's sinks among them. */
export function attentionWeights(g: GraphContext, layer: LayerAttention, scores: Tensor, mask: Tensor | null): Tensor {
  const { scale, softcap, sinks } = layer;
  if (softcap === 0) return g.softMax(scores, mask, scale, sinks);
  return g.softMax(g.scale(g.tanh(g.scale(scores, scale / softcap)), softcap), mask, 1, sinks);
}

/** Rows [first, first + count) of `x` [headDim, heads, tokens]. */
export function tokenRange(g: GraphContext, x: Tensor, first: number, count: number): Tensor {
  if (first === 0 && count === x.ne[2]) return x;
  return g.view(x, [x.ne[0], x.ne[1], count, 1], x.nb[1], x.nb[2], x.nb[3], first * x.nb[2]);
}

/** [headDim, heads, tokens] -> [headDim, tokens, heads], without copying. */
export function byHead(g: GraphContext, x: Tensor): Tensor {
  return g.permute(x, 0, 2, 1, 3);
}

/** [headDim, tokens, heads] -> [headDim * heads, tokens]. */
export function mergeHeads(g: GraphContext, x: Tensor): Tensor {
  const merged = g.cont(g.permute(x, 0, 2, 1, 3));
  return g.reshape(merged, x.ne[0] * x.ne[2], x.ne[1]);
}
