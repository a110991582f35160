/**
 * Attention over a batch of equally long rows, each under a mask of its own (the paper's block fine-tuning: training
 * needs no re-encoding, a block mask over ordinary positions gives the same scores).
 *
 * Rows never meet, so the work grows with the square of a row and not of the batch. Query heads that share a key head
 * are folded into one product.
 */
import type { Tensor } from '../../ggml/graph/tensor.ts';
import type { LayerAttention } from '../../model/architecture/layer-attention.ts';
import { rotate } from '../../model/attention/attention-heads.ts';
import type { Attention } from '../../model/graph/forward.ts';
import type { Tape } from './tape.ts';

export interface PackedAttentionInputs {
  readonly rows: number;
  readonly rowTokens: number;
  /** i32 [rows * rowTokens] */
  readonly positions: Tensor;
  /** f16 [rowTokens, rowTokens, 1, rows]: 0 or -infinity. */
  readonly mask: Tensor;
  /** The same for layers with a sliding window that hides something, by window. */
  readonly windowMasks: ReadonlyMap<number, Tensor>;
}

export class PackedAttention implements Attention {
  readonly #g: Tape;
  readonly #inputs: PackedAttentionInputs;

  constructor(g: Tape, inputs: PackedAttentionInputs) {
    this.#g = g;
    this.#inputs = inputs;
  }

  convolve(): never {
    throw new Error('short convolutions are not trained: see withoutGradient()');
  }

  attend(layer: LayerAttention, q: Tensor, k: Tensor | undefined, v: Tensor | undefined): Tensor {
    if (k === undefined || v === undefined) throw new Error('layers that borrow states are not trained');
    const g = this.#g;
    const { rows, rowTokens, positions, mask, windowMasks } = this.#inputs;
    const { heads, kvHeads, headDim } = layer;
    const attentionScale = layer.scale;
    const group = heads / kvHeads;
    const rowMask = windowMasks.get(layer.window) ?? mask;
    // [headDim, n, tokens] -> [headDim, rowTokens, n * rows]
    const byHead = (x: Tensor, n: number) => {
      const split = g.reshape(g.contiguous(x), headDim, n, rowTokens, rows);
      return g.reshape(g.cont(g.permute(split, 0, 2, 1, 3)), headDim, rowTokens, n * rows);
    };
    const queries = g.reshape(
      byHead(rotate(g, layer, q, positions), heads),
      headDim,
      rowTokens * group,
      kvHeads * rows,
    );
    const keys = byHead(rotate(g, layer, k, positions), kvHeads);
    const values = byHead(v, kvHeads);

    const folded = [rowTokens, rowTokens * group, kvHeads * rows] as const;
    const { output, softmax } = g.silently(() => {
      // The softmax takes the place of the scores: kept, or ggml would reuse it while its gradient is computed from it.
      const scores = g.reshape(g.keep(g.mulMat(keys, queries)), rowTokens, rowTokens, heads, rows);
      const p = g.reshape(g.softMax(scores, rowMask, attentionScale), ...folded);
      return { softmax: p, output: g.mulMat(g.transposed(values), p) };
    });
    // One rule for all three: by products of rows it needs no transposed copy of a score matrix.
    g.record(output, [queries, keys, values], (gradient) => {
      if (g.needs(values)) g.give(values, g.outProd(gradient, softmax));
      const scores = g.softMaxBack(g.mulMat(values, gradient), softmax, attentionScale);
      if (g.needs(queries)) g.give(queries, g.mulMat(g.transposed(keys), scores));
      if (g.needs(keys)) g.give(keys, g.outProd(queries, scores));
    });
    const perHead = g.reshape(output, headDim, rowTokens, heads, rows);
    return g.reshape(g.cont(g.permute(perHead, 0, 2, 1, 3)), headDim * heads, rowTokens * rows);
  }
}
