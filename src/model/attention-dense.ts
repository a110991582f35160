/**
 * Attention of a whole prompt under any mask, at ordinary positions: the oracle that block mode is tested against, and
 * the form that training uses (the paper's block fine-tuning: a dense block mask gives the same scores as re-encoding).
 */
import type { GraphContext } from '../ggml/graph-context.ts';
import type { Tensor } from '../ggml/tensor.ts';
import { byHead, mergeHeads, rotate } from './attention-heads.ts';
import type { Attention, ForwardModel } from './forward.ts';
import type { GraphInputs } from './graph-inputs.ts';
import { blockMask } from './mask.ts';

export class DenseAttention implements Attention {
  readonly #g: GraphContext;
  readonly #model: ForwardModel;
  readonly #positions: Tensor;
  readonly #mask: Tensor;
  readonly #windowMask: Tensor | undefined;

  /** @param lengths token counts of the blocks, the final block last; one entry is plain causal attention. */
  constructor(g: GraphContext, inputs: GraphInputs, model: ForwardModel, lengths: readonly number[]) {
    this.#g = g;
    this.#model = model;
    const total = lengths.reduce((sum, n) => sum + n, 0);
    this.#positions = inputs.integers(total, () => Int32Array.from({ length: total }, (_, i) => i));
    const { window, windowed } = model.hyperParameters;
    const needed = windowed.some((flag) => flag) && window < total;
    this.#mask = inputs.half(total, total, () => blockMask(lengths));
    this.#windowMask = needed ? inputs.half(total, total, () => blockMask(lengths, window)) : undefined;
  }

  attend(layer: number, q: Tensor, k: Tensor, v: Tensor): Tensor {
    const g = this.#g;
    const { windowed, attentionScale } = this.#model.hyperParameters;
    const mask = windowed[layer] === true && this.#windowMask !== undefined ? this.#windowMask : this.#mask;
    const keys = g.cont(byHead(g, rotate(g, this.#model, layer, k, this.#positions)));
    const scores = g.mulMat(keys, byHead(g, rotate(g, this.#model, layer, q, this.#positions)));
    const weights = g.softMax(scores, mask, attentionScale);
    return mergeHeads(g, g.mulMat(g.cont(g.permute(v, 1, 2, 0, 3)), weights));
  }
}
