/**
 * Queries whose size grows with their position (attention temperature). The rotary embedding keeps sizes, so they may be
 * multiplied before it.
 *
 * A context block's own queries count positions from the block's start, like all of its states: what is stored must not
 * depend on where it is used. Up to `length` tokens that makes no difference, since the factor there is 1.
 */
import type { GraphContext } from '../../ggml/graph/graph-context.ts';
import type { Tensor } from '../../ggml/graph/tensor.ts';
import type { GraphInputs } from '../graph/graph-inputs.ts';
import type { AttentionParameters, Temperature } from './layer-attention.ts';

export class QueryTemperature {
  readonly #g: GraphContext;
  readonly #factors = new Map<Temperature, Tensor>();

  /** @param positions of the queries, [rows] */
  constructor(
    g: GraphContext,
    inputs: GraphInputs,
    layers: readonly AttentionParameters[],
    rows: number,
    positions: () => Int32Array,
  ) {
    this.#g = g;
    for (const { temperature } of layers) {
      if (temperature === undefined || this.#factors.has(temperature)) continue;
      const { scale, length } = temperature;
      const factor = (position: number) => 1 + scale * Math.log(1 + Math.floor(Math.max(0, position) / length));
      this.#factors.set(
        temperature,
        inputs.floats([1, 1, rows], () => Float32Array.from(positions(), factor)),
      );
    }
  }

  /** @param q [headDim, heads, rows] */
  apply({ temperature }: AttentionParameters, q: Tensor): Tensor {
    const factors = temperature && this.#factors.get(temperature);
    return factors === undefined ? q : this.#g.mul(q, factors);
  }
}
