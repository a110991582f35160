/**
 * How far stored states are from others of the same tokens, token by token: the squared distance of keys and values in
 * one layer, keys and values each as a share of the squared length of all fresh ones, so that neither outweighs the
 * other. Computed on the device.
 */
import type { GraphAllocator } from '../../ggml/device/backend.ts';
import { GraphContext } from '../../ggml/graph/graph-context.ts';
import { type Tensor, TensorType } from '../../ggml/graph/tensor.ts';
import { isConvolution } from '../architecture/mixers.ts';
import { GraphInputs } from '../graph/graph-inputs.ts';
import type { Model } from '../model.ts';
import type { StoredBlock } from './convert-kv.ts';
import type { KvLayout } from './kv-layout.ts';
import { kvTensors } from './kv-tensors.ts';
import { type RowStates, rowElements, sidesOf } from './row-states.ts';

/** Two computations of one block. */
export interface StatePair {
  readonly fresh: StoredBlock;
  readonly stored: StoredBlock;
  readonly tokens: number;
}

/** @returns per block, per token */
export async function stateDeviation(
  model: Model,
  allocator: GraphAllocator,
  pairs: readonly StatePair[],
  layer: number,
): Promise<Float64Array[]> {
  const [first] = pairs;
  if (first === undefined) return [];
  const part = { layout: first.stored.layout, slot: slotOf(model, layer), parts: pairs.length };
  return deviation(model, allocator, part, (g, which) =>
    pairs.map(({ fresh, stored, tokens }) => {
      const rows = ({ layout, memory }: StoredBlock) => {
        const { keys, values = keys } = kvTensors(g, model.backend, layout, memory, tokens, part.slot);
        const states = which === 'keys' ? keys : values;
        const plain = g.copy(states, g.tensor(TensorType.F32, ...states.ne));
        // [dim, kvHeads, padded]
        const byToken = which === 'keys' ? g.permute(plain, 0, 2, 1, 3) : g.permute(plain, 2, 0, 1, 3);
        return g.reshape(g.cont(byToken), rowElements(part.layout, part.slot, which), layout.padded(tokens));
      };
      return { fresh: rows(fresh), stored: rows(stored), tokens };
    }),
  );
}

/** The same of rows: of `count` tokens from row `first` on, per row. */
export async function rowDeviation(
  model: Model,
  allocator: GraphAllocator,
  { fresh, stored }: { readonly fresh: RowStates; readonly stored: RowStates },
  { layer, first, count }: { readonly layer: number; readonly first: number; readonly count: number },
): Promise<Float64Array> {
  const part = { layout: stored.layout, slot: slotOf(model, layer), parts: 1 };
  const [all = new Float64Array()] = await deviation(model, allocator, part, (g, which) => {
    const rows = (states: RowStates) => {
      const window = states.window(g, part.slot, which, first, count);
      return g.copy(window, g.tensor(TensorType.F32, window.ne[0], count));
    };
    return [{ fresh: rows(fresh), stored: rows(stored), tokens: count }];
  });
  return all;
}

/** Of a layer that attends. */
function slotOf({ hyperParameters }: Model, layer: number): number {
  const mixer = hyperParameters.mixers[layer];
  if (mixer === undefined || isConvolution(mixer)) throw new Error(`layer ${layer} stores no keys and values`);
  return mixer.slot;
}

/** Keys or values of some tokens, as f32 [elements of a token, tokens or more]. */
interface Compared {
  readonly fresh: Tensor;
  readonly stored: Tensor;
  readonly tokens: number;
}

/** @returns per part, per token */
async function deviation(
  model: Model,
  allocator: GraphAllocator,
  { layout, slot, parts }: { readonly layout: KvLayout; readonly slot: number; readonly parts: number },
  comparedOf: (g: GraphContext, which: 'keys' | 'values') => readonly Compared[],
): Promise<Float64Array[]> {
  const g = new GraphContext(64 * parts + 16);
  const inputs = new GraphInputs(g);
  try {
    const sides = sidesOf(layout, slot).map((which) => {
      const elements = rowElements(layout, slot, which);
      const ones = inputs.floats([elements, 1], () => new Float32Array(elements).fill(1));
      const squares = (t: Tensor) => g.output(g.mulMat(ones, g.square(t))); // [1, tokens or more]
      return comparedOf(g, which).map(({ fresh, stored, tokens }) => ({
        distance: squares(g.add(fresh, g.scale(stored, -1))),
        length: squares(fresh),
        tokens,
      }));
    });
    allocator.place(g);
    inputs.write(model.backend);
    await allocator.compute(g);
    const read = (t: Tensor, tokens: number) => {
      const data = new Float32Array(t.ne[1]);
      model.backend.read(t, data);
      return data.subarray(0, tokens);
    };
    const shares = (sides[0] ?? []).map(({ tokens }) => new Float64Array(tokens));
    for (const side of sides) {
      const lengths = side.map(({ length, tokens }) => read(length, tokens));
      const total = lengths.reduce((sum, values) => values.reduce((part, value) => part + value, sum), 0);
      for (const [i, { distance, tokens }] of side.entries()) {
        read(distance, tokens).forEach((value, t) => {
          const of = shares[i];
          if (of && total > 0) of[t] = (of[t] ?? 0) + value / total;
        });
      }
    }
    return shares;
  } finally {
    inputs.dispose();
    g.dispose();
  }
}
