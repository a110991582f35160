/** Short convolutions of a whole prompt in one graph, whose rows need not follow each other: for oracles. */
import type { GraphContext } from '../../ggml/graph/graph-context.ts';
import type { Tensor } from '../../ggml/graph/tensor.ts';
import type { LayerConvolution } from '../architecture/short-convolution.ts';
import type { GraphInputs } from '../graph/graph-inputs.ts';
import { sumOfTaps } from '../graph/short-convolution.ts';

export class PromptConvolution {
  readonly #g: GraphContext;
  readonly #inputs: GraphInputs;
  readonly #rows: number;
  readonly #continues: (row: number) => boolean;
  /** By how many rows they lie back. */
  readonly #picks = new Map<number, Tensor>();

  /** @param continues whether a row stands right behind the one before it in the graph; else it stands behind nothing */
  constructor(g: GraphContext, inputs: GraphInputs, rows: number, continues: (row: number) => boolean) {
    this.#g = g;
    this.#inputs = inputs;
    this.#rows = rows;
    this.#continues = continues;
  }

  /** @param x [channels, rows] @returns the same shape */
  convolve(layer: LayerConvolution, x: Tensor): Tensor {
    const g = this.#g;
    const { taps, channels } = layer;
    const nothing = this.#inputs.floats([channels, 1], () => new Float32Array(channels));
    const all = g.concat(nothing, x, 1);
    return sumOfTaps(g, layer, (tap) => g.getRows(all, this.#back(taps - 1 - tap)));
  }

  /** Of each row, the number of that `distance` before it behind a row of zeros: i32 [rows]. */
  #back(distance: number): Tensor {
    const known = this.#picks.get(distance);
    if (known !== undefined) return known;
    const rowBefore = (row: number) => {
      for (let step = 0; step < distance; step++) if (row - step < 1 || !this.#continues(row - step)) return 0;
      return row - distance + 1;
    };
    const picks = this.#inputs.integers(this.#rows, () =>
      Int32Array.from({ length: this.#rows }, (_, row) => rowBefore(row)),
    );
    this.#picks.set(distance, picks);
    return picks;
  }
}
