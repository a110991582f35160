/**
 * Attention while blocks are encoded: causal inside each block, blind to the others (paper section 2), any number of
 * blocks in one batch. Writes each block's keys and values, rotated at local positions, where they will be read.
 */
import type { Backend } from '../ggml/backend.ts';
import type { GraphContext } from '../ggml/graph-context.ts';
import { type Tensor, TensorType } from '../ggml/tensor.ts';
import { byHead, mergeHeads, RowCollector, rotate, tokenRange } from './attention-heads.ts';
import type { Attention, ForwardModel } from './forward.ts';
import type { GraphInputs } from './graph-inputs.ts';
import type { KvLayout } from './kv-layout.ts';
import { kvTensors, writeKv } from './kv-tensors.ts';
import { causalMask } from './mask.ts';

/** A block to encode: its tokens are rows [row, row + tokens) of the batch, its memory is zeroed. */
export interface EncodeTarget {
  readonly address: bigint;
  readonly tokens: number;
  readonly row: number;
}

export class EncodeAttention implements Attention {
  readonly #g: GraphContext;
  readonly #model: ForwardModel;
  readonly #backend: Backend;
  readonly #layout: KvLayout;
  readonly #targets: readonly EncodeTarget[];
  readonly #positions: Tensor;
  readonly #masks = new Map<string, Tensor>();
  readonly #inputs: GraphInputs;
  readonly #collector: RowCollector | undefined;

  constructor(
    g: GraphContext,
    inputs: GraphInputs,
    model: ForwardModel,
    backend: Backend,
    layout: KvLayout,
    targets: readonly EncodeTarget[],
  ) {
    this.#g = g;
    this.#inputs = inputs;
    this.#model = model;
    this.#backend = backend;
    this.#layout = layout;
    this.#targets = targets;
    const total = targets.reduce((sum, target) => sum + target.tokens, 0);
    const positions = new Int32Array(total);
    for (const { row, tokens } of targets) for (let i = 0; i < tokens; i++) positions[row + i] = i;
    this.#positions = inputs.integers(positions);
    const { heads, headDim } = model.hyperParameters;
    this.#collector = targets.length > 1 ? new RowCollector(g, heads * headDim, total, TensorType.F32) : undefined;
  }

  attend(layer: number, q: Tensor, k: Tensor, v: Tensor): Tensor {
    const g = this.#g;
    const hp = this.#model.hyperParameters;
    const rotatedQ = rotate(g, this.#model, layer, q, this.#positions);
    const rotatedK = rotate(g, this.#model, layer, k, this.#positions);
    let alone: Tensor | undefined;
    for (const { address, tokens, row } of this.#targets) {
      const key = tokenRange(g, rotatedK, row, tokens);
      const value = tokenRange(g, v, row, tokens);
      writeKv(g, kvTensors(g, this.#backend, this.#layout, address, tokens, layer), key, value, 0);
      if (layer === hp.layers - 1) continue;
      const scores = g.mulMat(g.cont(byHead(g, key)), byHead(g, tokenRange(g, rotatedQ, row, tokens)));
      const weights = g.softMax(scores, this.#mask(tokens, hp.windowed[layer] ? hp.window : 0), hp.attentionScale);
      const attended = g.mulMat(g.cont(g.permute(value, 1, 2, 0, 3)), weights); // [headDim, tokens, heads]
      if (this.#collector) this.#collector.put(attended, row);
      else alone = mergeHeads(g, attended);
    }
    return alone ?? this.#collector?.result ?? v;
  }

  #mask(tokens: number, window: number): Tensor {
    const effective = window >= tokens ? 0 : window;
    const name = `${tokens}/${effective}`;
    let mask = this.#masks.get(name);
    if (mask === undefined) {
      mask = this.#inputs.half(causalMask([{ tokens, padded: tokens, start: 0 }], 0, tokens, effective), tokens);
      this.#masks.set(name, mask);
    }
    return mask;
  }
}
