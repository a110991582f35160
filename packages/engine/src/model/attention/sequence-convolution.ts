/**
 * Short convolutions of sequences: each starts from its own tail; its first token from that of the block it stands behind,
 * or from zeros; and leaves a tail behind its last token.
 *
 * One sequence's nodes are its own, so that its results do not depend on what else is in the batch.
 */
import type { Backend } from '../../ggml/device/backend.ts';
import type { GraphContext } from '../../ggml/graph/graph-context.ts';
import type { Tensor } from '../../ggml/graph/tensor.ts';
import type { HyperParameters } from '../architecture/hyper-parameters.ts';
import type { LayerConvolution } from '../architecture/short-convolution.ts';
import type { GraphInputs } from '../graph/graph-inputs.ts';
import { type Join, joinFor } from '../graph/join.ts';
import { sumOfTaps } from '../graph/short-convolution.ts';
import type { KvLayout } from '../kv/kv-layout.ts';
import type { Sequence } from '../kv/sequence.ts';
import { tailPlace, tailTensor } from '../kv/tails.ts';
import type { SequenceRows } from './attention-portable.ts';

interface Options {
  readonly hyperParameters: HyperParameters;
  readonly backend: Backend;
  /** Layout of the context blocks that carry none of their own. */
  readonly layout: KvLayout;
  /** Whether the graph runs again for later tokens of the same sequences. */
  readonly reusable: boolean;
}

export class SequenceConvolution {
  readonly #g: GraphContext;
  readonly #rows: readonly SequenceRows[];
  readonly #options: Options;
  /** Undefined for a model without convolutions. */
  readonly #join: Join | undefined;

  constructor(g: GraphContext, inputs: GraphInputs, rows: readonly SequenceRows[], options: Options) {
    this.#g = g;
    this.#rows = rows;
    this.#options = options;
    const { hyperParameters, backend } = options;
    const widest = Math.max(0, ...hyperParameters.convolutions.map(({ channels }) => channels));
    const total = rows.reduce((sum, { tokens }) => sum + tokens, 0);
    if (widest === 0) return;
    this.#join = joinFor(g, inputs, backend, widest * total);
    inputs.refresh(() => {
      for (const { sequence } of rows) sequence.begin();
    });
  }

  /** @param x [channels, tokens] @returns the same shape */
  convolve(layer: LayerConvolution, x: Tensor): Tensor {
    const g = this.#g;
    const { taps, channels } = layer;
    const { backend } = this.#options;
    const range = (from: Tensor, first: number, count: number) =>
      g.view(from, [channels, count, 1, 1], from.nb[1], from.nb[2], from.nb[3], first * from.nb[1]);
    const parts = this.#rows.map(({ sequence, row, tokens }) => {
      const read = g.concat(this.#before(layer, sequence), range(x, row, tokens), 1); // [channels, taps - 1 + tokens]
      // A copy of what was read: writing over it comes after.
      g.expand(g.copy(range(read, tokens, taps - 1), tailTensor(g, backend, tailPlace(sequence), layer.tail)));
      return sumOfTaps(g, layer, (tap) => range(read, tap, tokens));
    });
    const [alone, ...others] = parts;
    if (alone !== undefined && others.length === 0) return alone;
    if (this.#join === undefined) throw new Error('the model has no convolutions');
    return this.#join(parts, 1);
  }

  /** The tail that the next tokens of a sequence stand behind. */
  #before({ tail }: LayerConvolution, sequence: Sequence): Tensor {
    const { backend, layout, reusable } = this.#options;
    const last = sequence.blocks.at(-1);
    // An own cache begins with zeros.
    if (sequence.length > 0 || last === undefined) return tailTensor(this.#g, backend, tailPlace(sequence), tail);
    if (reusable) throw new Error('a graph that is kept runs behind a prompt');
    const { memory, tokens } = last;
    return tailTensor(this.#g, backend, { layout: last.layout ?? layout, memory, tokens }, tail);
  }
}
