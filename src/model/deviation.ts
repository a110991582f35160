/** How far stored states are from others of the same tokens, token by token. */
import type { GraphAllocator } from '../ggml/backend.ts';
import { GraphContext } from '../ggml/graph-context.ts';
import { type Tensor, TensorType } from '../ggml/tensor.ts';
import type { StoredBlock } from './convert-kv.ts';
import { kvTensors } from './kv-tensors.ts';
import type { Model } from './model.ts';

/** Two computations of one block. */
export interface StatePair {
  readonly fresh: StoredBlock;
  readonly stored: StoredBlock;
  readonly tokens: number;
}

/**
 * The squared distance of stored keys and values from fresh ones in one layer, keys and values each as a share of the
 * squared length of all fresh ones, so that neither outweighs the other.
 * @returns per block, per token
 */
export async function stateDeviation(
  model: Model,
  allocator: GraphAllocator,
  pairs: readonly StatePair[],
  layer: number,
): Promise<Float64Array[]> {
  const { backend } = model;
  const g = new GraphContext(pairs.length * 16 + 16);
  try {
    const plain = (t: Tensor) => g.output(g.copy(t, g.tensor(TensorType.F32, ...t.ne)));
    const copies = pairs.map(({ fresh, stored, tokens }) =>
      [fresh, stored].map(({ layout, memory }) => {
        const { keys, values } = kvTensors(g, backend, layout, memory, tokens, layer);
        return { keys: plain(keys), values: plain(values) };
      }),
    );
    allocator.place(g);
    await allocator.compute(g);
    const read = (t: Tensor) => {
      const data = new Float32Array(t.ne[0] * t.ne[1] * t.ne[2]);
      backend.read(t, data);
      return data;
    };
    const sums = (['keys', 'values'] as const).map((which) =>
      pairs.map(({ tokens }, i) => {
        const [fresh, stored] = (copies[i] ?? []).map((copy) => read(copy[which]));
        const [first] = copies[i] ?? [];
        return distances(fresh, stored, first?.[which].ne[which === 'keys' ? 1 : 0] ?? 0, tokens, which, model);
      }),
    );
    const scales = sums.map((blocks) => {
      const total = blocks.reduce((sum, { length }) => sum + length, 0);
      return total > 0 ? 1 / total : 0;
    });
    return pairs.map(({ tokens }, i) =>
      Float64Array.from({ length: tokens }, (_, t) =>
        sums.reduce((sum, blocks, which) => sum + (blocks[i]?.distance[t] ?? 0) * (scales[which] ?? 0), 0),
      ),
    );
  } finally {
    g.dispose();
  }
}

/** Squared distances per token of keys [kvHeads][padded][headDim] or values [kvHeads][headDim][padded]. */
function distances(
  fresh: Float32Array | undefined,
  stored: Float32Array | undefined,
  padded: number,
  tokens: number,
  which: 'keys' | 'values',
  { hyperParameters: { kvHeads, headDim } }: Model,
): { readonly distance: Float64Array; readonly length: number } {
  const distance = new Float64Array(tokens);
  let length = 0;
  for (let head = 0; head < kvHeads; head++) {
    for (let t = 0; t < tokens; t++) {
      for (let d = 0; d < headDim; d++) {
        const at = which === 'keys' ? (head * padded + t) * headDim + d : (head * headDim + d) * padded + t;
        const value = fresh?.[at] ?? 0;
        distance[t] = (distance[t] ?? 0) + (value - (stored?.[at] ?? 0)) ** 2;
        length += value ** 2;
      }
    }
  }
  return { distance, length };
}
