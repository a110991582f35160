/** How far stored states are from others of the same tokens, token by token. */
import type { GraphAllocator } from '../../ggml/device/backend.ts';
import { GraphContext } from '../../ggml/graph/graph-context.ts';
import { type Tensor, TensorType } from '../../ggml/graph/tensor.ts';
import type { SlotShape } from '../architecture/layer-attention.ts';
import { isConvolution } from '../architecture/mixers.ts';
import { GraphInputs } from '../graph/graph-inputs.ts';
import type { Model } from '../model.ts';
import type { StoredBlock } from './convert-kv.ts';
import type { KvLayout } from './kv-layout.ts';
import { kvTensors } from './kv-tensors.ts';
import { type RowStates, sidesOf } from './row-states.ts';

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
  const slot = slotOf(model, layer);
  const { backend } = model;
  const g = new GraphContext(pairs.length * 16 + 16);
  try {
    const plain = (t: Tensor) => g.output(g.copy(t, g.tensor(TensorType.F32, ...t.ne)));
    const copies = pairs.map(({ fresh, stored, tokens }) =>
      [fresh, stored].map(({ layout, memory }) => {
        const { keys, values } = kvTensors(g, backend, layout, memory, tokens, slot);
        return { keys: plain(keys), values: plain(values ?? keys) };
      }),
    );
    allocator.place(g);
    await allocator.compute(g);
    const read = (t: Tensor) => {
      const data = new Float32Array(t.ne[0] * t.ne[1] * t.ne[2]);
      backend.read(t, data);
      return data;
    };
    const sums = sidesOf(layoutOf(pairs), slot).map((which) =>
      pairs.map(({ tokens }, i) => {
        const [fresh, stored] = (copies[i] ?? []).map((copy) => read(copy[which]));
        const [first] = copies[i] ?? [];
        const padded = first?.[which].ne[which === 'keys' ? 1 : 0] ?? 0;
        return distances(fresh, stored, { padded, tokens, which, shape: layoutOf(pairs).shape(slot) });
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

/** The same of rows: of `count` tokens from row `first` on, per row. Computed on the device. */
export async function rowDeviation(
  model: Model,
  allocator: GraphAllocator,
  { fresh, stored }: { readonly fresh: RowStates; readonly stored: RowStates },
  { layer, first, count }: { readonly layer: number; readonly first: number; readonly count: number },
): Promise<Float64Array> {
  const slot = slotOf(model, layer);
  const g = new GraphContext(64);
  const inputs = new GraphInputs(g);
  try {
    const sides = sidesOf(stored.layout, slot).map((which) => {
      const read = (states: RowStates) => {
        const rows = states.window(g, slot, which, first, count);
        return g.copy(rows, g.tensor(TensorType.F32, rows.ne[0], count));
      };
      const [own, other] = [read(fresh), read(stored)];
      const ones = inputs.floats([own.ne[0], 1], () => new Float32Array(own.ne[0]).fill(1));
      const squares = (t: Tensor) => g.output(g.mulMat(ones, g.square(t))); // [1, count]
      return { distance: squares(g.add(own, g.scale(other, -1))), length: squares(own) };
    });
    allocator.place(g);
    inputs.write(model.backend);
    await allocator.compute(g);
    const read = (t: Tensor) => {
      const data = new Float32Array(count);
      model.backend.read(t, data);
      return data;
    };
    const shares = new Float64Array(count);
    for (const { distance, length } of sides) {
      const total = read(length).reduce((sum, value) => sum + value, 0);
      read(distance).forEach((value, i) => {
        shares[i] = (shares[i] ?? 0) + (total > 0 ? value / total : 0);
      });
    }
    return shares;
  } finally {
    inputs.dispose();
    g.dispose();
  }
}

/** Of a layer that attends. */
function slotOf({ hyperParameters }: Model, layer: number): number {
  const mixer = hyperParameters.mixers[layer];
  if (mixer === undefined || isConvolution(mixer)) throw new Error(`layer ${layer} stores no keys and values`);
  return mixer.slot;
}

interface Measured {
  readonly padded: number;
  readonly tokens: number;
  readonly which: 'keys' | 'values';
  readonly shape: SlotShape;
}

function layoutOf([first]: readonly StatePair[]): KvLayout {
  if (first === undefined) throw new Error('distances are of a pair at least');
  return first.stored.layout;
}

/** Squared distances per token of keys [kvHeads][padded][headDim] or values [kvHeads][valueDim][padded]. */
function distances(
  fresh: Float32Array | undefined,
  stored: Float32Array | undefined,
  { padded, tokens, which, shape }: Measured,
): { readonly distance: Float64Array; readonly length: number } {
  const { kvHeads } = shape;
  const dims = which === 'keys' ? shape.headDim : shape.valueDim;
  const distance = new Float64Array(tokens);
  let length = 0;
  for (let head = 0; head < kvHeads; head++) {
    for (let t = 0; t < tokens; t++) {
      for (let d = 0; d < dims; d++) {
        const at = which === 'keys' ? (head * padded + t) * dims + d : (head * dims + d) * padded + t;
        const value = fresh?.[at] ?? 0;
        distance[t] = (distance[t] ?? 0) + (value - (stored?.[at] ?? 0)) ** 2;
        length += value ** 2;
      }
    }
  }
  return { distance, length };
}
