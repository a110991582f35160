/**
 * Attention of a whole prompt under any mask, at ordinary positions: the oracle that block mode is tested against, and
 * the form that training uses (the paper's block fine-tuning: a dense block mask gives the same scores as re-encoding).
 *
 * A short convolution starts from zeros with each block, but for the last one, which continues from the block before it.
 *
 * Where a query's own position counts, and not distances alone, it is counted from the start of its block, as where a block
 * is encoded; in the last block from the start of the prompt.
 */
import type { GraphContext } from '../../ggml/graph/graph-context.ts';
import type { Tensor } from '../../ggml/graph/tensor.ts';
import { type LayerAttention, windowsOf } from '../architecture/layer-attention.ts';
import { QueryTemperature } from '../architecture/query-temperature.ts';
import { plainTurn } from '../architecture/rope.ts';
import type { LayerConvolution } from '../architecture/short-convolution.ts';
import type { Attention, ForwardModel } from '../graph/forward.ts';
import type { GraphInputs } from '../graph/graph-inputs.ts';
import { blockMask } from '../graph/mask.ts';
import { attentionLayers } from '../weights/layers.ts';
import { attentionWeights, byHead, mergeHeads, PromptStates, rotate, rotateQuery } from './attention-heads.ts';
import { PromptConvolution } from './prompt-convolution.ts';

export class DenseAttention implements Attention {
  readonly #g: GraphContext;
  readonly #positions: Tensor;
  readonly #states = new PromptStates();
  readonly #temperature: QueryTemperature;
  readonly #convolution: PromptConvolution;
  /** Positions from the start of each token's block, and those starts; undefined where distances alone count. */
  readonly #inBlocks: { readonly local: Tensor; readonly starts: Tensor } | undefined;
  /** By sliding window, 0 for none. */
  readonly #masks = new Map<number, Tensor>();

  /** @param lengths token counts of the blocks, the final block last; one entry is plain causal attention. */
  constructor(g: GraphContext, inputs: GraphInputs, model: ForwardModel, lengths: readonly number[]) {
    this.#g = g;
    const total = lengths.reduce((sum, n) => sum + n, 0);
    this.#positions = inputs.integers(total, () => Int32Array.from({ length: total }, (_, i) => i));
    const { attention } = model.hyperParameters;
    this.#temperature = new QueryTemperature(g, inputs, attention, total, () => blockPositions(lengths));
    const gained = attentionLayers(model.weights).some(({ queryGains }) => queryGains.length > 0);
    const starts = () => blockPositions(lengths).map((local, i) => i - local);
    this.#inBlocks = gained
      ? { local: inputs.integers(total, () => blockPositions(lengths)), starts: inputs.integers(total, starts) }
      : undefined;
    const ends = lengths.map((_, block) => lengths.slice(0, block + 1).reduce((sum, n) => sum + n, 0));
    const begin = new Set([0, ...ends.slice(0, -2)]);
    this.#convolution = new PromptConvolution(g, inputs, total, (row) => !begin.has(row));
    const windows = windowsOf(attention).filter((window) => window < total);
    for (const window of [0, ...windows]) {
      this.#masks.set(
        window,
        inputs.half(total, total, () => blockMask(lengths, window)),
      );
    }
  }

  attend(layer: LayerAttention, q: Tensor, ownK: Tensor | undefined, ownV: Tensor | undefined): Tensor {
    const g = this.#g;
    const { k, v } = this.#states.of(layer, ownK, ownV);
    const mask = this.#masks.get(layer.window) ?? this.#masks.get(0) ?? null;
    const keys = g.cont(byHead(g, rotate(g, layer, k, this.#positions)));
    const scores = g.mulMat(keys, byHead(g, this.#rotateQuery(layer, this.#temperature.apply(layer, q))));
    const weights = attentionWeights(g, layer, scores, mask);
    return mergeHeads(g, g.mulMat(g.cont(g.permute(v, 1, 2, 0, 3)), weights));
  }

  convolve(layer: LayerConvolution, x: Tensor): Tensor {
    return this.#convolution.convolve(layer, x);
  }

  #rotateQuery(layer: LayerAttention, q: Tensor): Tensor {
    const g = this.#g;
    const { queryGains, rope, ropeFactors } = layer;
    if (this.#inBlocks === undefined || queryGains.length === 0 || rope === undefined) {
      return rotateQuery(g, layer, q, this.#positions);
    }
    const { local, starts } = this.#inBlocks;
    return g.rope(rotateQuery(g, layer, q, local), starts, ropeFactors ?? null, plainTurn(rope));
  }
}

/** Positions from the start of each token's block; in the last block, from the start of the prompt. */
function blockPositions(lengths: readonly number[]): Int32Array {
  let start = 0;
  const all = lengths.flatMap((length, block) => {
    const first = block === lengths.length - 1 ? start : 0;
    start += length;
    return Array.from({ length }, (_, i) => first + i);
  });
  return Int32Array.from(all);
}
