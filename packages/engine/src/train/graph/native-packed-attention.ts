/**
 * Attention over packed rows by the native nodes: no mask, no matrix of scores, nothing computed that is not seen.
 * Computes what packed-attention.ts does. CPU only.
 */
import type { Tensor } from '../../ggml/graph/tensor.ts';
import type { TrainingKernel } from '../../ggml/native/training-kernel.ts';
import type { LayerAttention } from '../../model/architecture/layer-attention.ts';
import { rotate } from '../../model/attention/attention-heads.ts';
import type { Attention } from '../../model/graph/forward.ts';
import type { GraphInputs } from '../../model/graph/graph-inputs.ts';
import type { Tape } from './tape.ts';

export interface NativeAttentionInputs {
  readonly rows: number;
  readonly rowTokens: number;
  /** i32 [rows * rowTokens] */
  readonly positions: Tensor;
  /** i32 [4 * rows * rowTokens]: see packRuns(). */
  readonly runs: Tensor;
  /** The same for layers with a sliding window that hides something, by window. */
  readonly windowRuns: ReadonlyMap<number, Tensor>;
}

export class NativePackedAttention implements Attention {
  readonly #g: Tape;
  readonly #graphInputs: GraphInputs;
  readonly #inputs: NativeAttentionInputs;
  readonly #kernel: TrainingKernel;
  /** By the scale of the scores. */
  readonly #nodes = new Map<number, ReturnType<TrainingKernel['attention']>>();

  constructor(g: Tape, graphInputs: GraphInputs, kernel: TrainingKernel, inputs: NativeAttentionInputs) {
    this.#g = g;
    this.#graphInputs = graphInputs;
    this.#inputs = inputs;
    this.#kernel = kernel;
  }

  convolve(): never {
    throw new Error('short convolutions are not trained: see withoutGradient()');
  }

  attend(layer: LayerAttention, q: Tensor, k: Tensor | undefined, v: Tensor | undefined): Tensor {
    if (k === undefined || v === undefined) throw new Error('layers that borrow states are not trained');
    const g = this.#g;
    const { positions, runs, windowRuns } = this.#inputs;
    const { heads, kvHeads, headDim } = layer;
    const { forward, back } = this.#nodesOf(layer.scale);
    const tokens = q.ne[2];
    const queries = rotate(g, layer, q, positions);
    const keys = rotate(g, layer, k, positions);
    const seen = windowRuns.get(layer.window) ?? runs;
    const sources = [queries, keys, v, seen, this.#graphInputs.storage(heads * tokens)];
    const output = g.custom([headDim, heads, tokens, 1], sources, forward.fun, forward.userdata);
    g.record(output, [queries, keys, v], (gradient) => {
      const all = heads + 2 * kvHeads;
      const joined = g.custom([headDim, all, tokens, 1], [...sources, output, gradient], back.fun, back.userdata);
      const part = (count: number, first: number) =>
        g.view(joined, [headDim, count, tokens, 1], joined.nb[1], joined.nb[2], joined.nb[3], first * joined.nb[1]);
      g.give(queries, part(heads, 0));
      g.give(keys, part(kvHeads, heads));
      g.give(v, part(kvHeads, heads + kvHeads));
    });
    return g.reshape(output, headDim * heads, tokens);
  }

  #nodesOf(scale: number): ReturnType<TrainingKernel['attention']> {
    const known = this.#nodes.get(scale);
    if (known !== undefined) return known;
    const nodes = this.#kernel.attention(this.#inputs.rowTokens, scale);
    this.#graphInputs.onDispose(() => nodes.memory.free());
    this.#nodes.set(scale, nodes);
    return nodes;
  }
}
