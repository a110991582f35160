/**
 * A forward pass over any tokens at any positions, each seeing what it is told to: the most obvious reference there is.
 */

import type { Model } from '@block-attention/engine/internal/model';
import type { GraphContext } from '../../../packages/engine/src/ggml/graph/graph-context.ts';
import type { Tensor } from '../../../packages/engine/src/ggml/graph/tensor.ts';
import { type LayerAttention, windowsOf } from '../../../packages/engine/src/model/architecture/layer-attention.ts';
import { QueryTemperature } from '../../../packages/engine/src/model/architecture/query-temperature.ts';
import { plainTurn } from '../../../packages/engine/src/model/architecture/rope.ts';
import type { LayerConvolution } from '../../../packages/engine/src/model/architecture/short-convolution.ts';
import {
  attentionWeights,
  byHead,
  mergeHeads,
  PromptStates,
  rotate,
  rotateQuery,
} from '../../../packages/engine/src/model/attention/attention-heads.ts';
import { PromptConvolution } from '../../../packages/engine/src/model/attention/prompt-convolution.ts';
import type { Attention } from '../../../packages/engine/src/model/graph/forward.ts';
import type { GraphInputs } from '../../../packages/engine/src/model/graph/graph-inputs.ts';
import { ForwardGraph, runOnce } from '../../../packages/engine/src/model/graph/graph-run.ts';
import type { ForwardHarness } from './forward-harness.ts';

export interface MaskedRow {
  readonly token: number;
  readonly position: number;
  /** Where its own position is counted from, for queries that depend on it: see DenseAttention. Defaults to 0. */
  readonly from?: number;
  /** Whether a convolution does not see the row before it. Defaults to false. */
  readonly begins?: boolean;
}

/**
 * @param written rows that the model's writer acts on. Defaults to none
 * @returns logits of the last row, [vocabulary]; sliding windows are applied on top of `sees`
 */
export function maskedForward<R extends MaskedRow>(
  { model, allocator }: ForwardHarness,
  rows: readonly R[],
  sees: (query: R, key: R) => boolean,
  written: (row: R) => boolean = () => false,
): Promise<Float32Array> {
  return runOnce(
    {
      model,
      attentionTensors: 24,
      tokens: { length: rows.length, data: () => Int32Array.from(rows, ({ token }) => token) },
      outputs: Int32Array.of(rows.length - 1),
      prompt: true,
      attention: (g, inputs) => new MaskedAttention(g, inputs, model, rows, sees),
      gate: (inputs) => inputs.floats([1, rows.length], () => Float32Array.from(rows, (row) => Number(written(row)))),
    },
    allocator,
  );
}

/**
 * How much attention rows get, summed over the heads of all layers from `first` on and over the rows that ask.
 * @returns of the rows that do not ask, in order
 */
export async function maskedWeights<R extends MaskedRow>(
  { model, allocator }: ForwardHarness,
  rows: readonly R[],
  sees: (query: R, key: R) => boolean,
  { asks, first }: { readonly asks: (row: R) => boolean; readonly first: number },
): Promise<Float32Array> {
  const seen: Tensor[] = [];
  const graph = new ForwardGraph(
    {
      model,
      attentionTensors: 24,
      tokens: { length: rows.length, data: () => Int32Array.from(rows, ({ token }) => token) },
      outputs: null,
      prompt: true,
      attention: (g, inputs) => new MaskedAttention(g, inputs, model, rows, sees, seen),
    },
    allocator,
  );
  try {
    await graph.run();
    const sums = new Float64Array(rows.length);
    for (const weights of seen.slice(first)) {
      const [keys, queries, heads] = weights.ne;
      const values = new Float32Array(keys * queries * heads);
      model.backend.read(weights, values);
      values.forEach((value, at) => {
        const query = rows[Math.floor(at / keys) % queries];
        if (query && asks(query)) sums[at % keys] = (sums[at % keys] ?? 0) + value;
      });
    }
    return Float32Array.from(sums.filter((_, at) => rows[at] && !asks(rows[at])));
  } finally {
    graph.dispose();
  }
}

class MaskedAttention<R extends MaskedRow> implements Attention {
  readonly #g: GraphContext;
  readonly #seen: Tensor[] | undefined;
  readonly #positions: Tensor;
  /** Of queries: positions from where they are counted, and from where that is. */
  readonly #own: Tensor;
  readonly #from: Tensor;
  readonly #temperature: QueryTemperature;
  readonly #states = new PromptStates();
  readonly #convolution: PromptConvolution;
  /** By sliding window, 0 for none. */
  readonly #masks: ReadonlyMap<number, Tensor>;

  constructor(
    g: GraphContext,
    inputs: GraphInputs,
    model: Model,
    rows: readonly R[],
    sees: (query: R, key: R) => boolean,
    /** Gets every layer's weights, [keys, queries, heads]. */
    seen?: Tensor[],
  ) {
    this.#g = g;
    this.#seen = seen;
    this.#positions = inputs.integers(rows.length, () => Int32Array.from(rows, ({ position }) => position));
    const own = () => Int32Array.from(rows, ({ position, from = 0 }) => position - from);
    this.#own = inputs.integers(rows.length, own);
    this.#from = inputs.integers(rows.length, () => Int32Array.from(rows, ({ from = 0 }) => from));
    this.#temperature = new QueryTemperature(g, inputs, model.hyperParameters.attention, rows.length, own);
    this.#convolution = new PromptConvolution(g, inputs, rows.length, (row) => rows[row]?.begins !== true);
    const mask = (window: number) =>
      inputs.half(rows.length, rows.length, () =>
        Uint16Array.from({ length: rows.length ** 2 }, (_, at) => {
          const query = rows[Math.floor(at / rows.length)];
          const key = rows[at % rows.length];
          const seen = query && key && sees(query, key) && (window === 0 || query.position - key.position < window);
          return seen ? 0 : 0xfc00;
        }),
      );
    const windows = [0, ...windowsOf(model.hyperParameters.attention)];
    this.#masks = new Map(windows.map((window) => [window, mask(window)]));
  }

  attend(layer: LayerAttention, q: Tensor, ownK: Tensor | undefined, ownV: Tensor | undefined): Tensor {
    const g = this.#g;
    const { k, v } = this.#states.of(layer, ownK, ownV);
    const keys = g.cont(byHead(g, rotate(g, layer, k, this.#positions)));
    const scores = g.mulMat(keys, byHead(g, this.#rotateQuery(layer, this.#temperature.apply(layer, q))));
    const weights = attentionWeights(g, layer, scores, this.#masks.get(layer.window) ?? null);
    this.#seen?.push(g.expand(g.output(g.cont(weights))));
    return mergeHeads(g, g.mulMat(g.cont(g.permute(v, 1, 2, 0, 3)), weights));
  }

  #rotateQuery(layer: LayerAttention, q: Tensor): Tensor {
    const g = this.#g;
    const { queryGains, rope, ropeFactors } = layer;
    if (queryGains.length === 0 || rope === undefined) return rotateQuery(g, layer, q, this.#positions);
    return g.rope(rotateQuery(g, layer, q, this.#own), this.#from, ropeFactors ?? null, plainTurn(rope));
  }

  convolve(layer: LayerConvolution, x: Tensor): Tensor {
    return this.#convolution.convolve(layer, x);
  }
}
