/** Copying what one sequence has computed into another that begins alike, on the device that computes. */
import type { GraphAllocator } from '../../ggml/device/backend.ts';
import { GraphContext } from '../../ggml/graph/graph-context.ts';
import type { Tensor } from '../../ggml/graph/tensor.ts';
import type { Model } from '../model.ts';
import { kvTensors } from './kv-tensors.ts';
import { copyRows } from './row-copies.ts';
import type { Sequence } from './sequence.ts';
import { copyTails, tailPlace, tensorsPerTail } from './tails.ts';

/**
 * Copies the states of the first `tokens` own tokens of `source` into `target`, which is empty, and advances it.
 *
 * Both must have the same layout, the same context blocks at the same positions and the same first tokens: an own
 * cache has seen all of them (the same tokens behind other blocks have other states). `source` may be generating: what
 * it has is never written again, but for the tails of short convolutions.
 * @returns whether it was done: not where `source` no longer holds what stood behind so many tokens
 */
export async function copyPrefix(
  model: Model,
  allocator: GraphAllocator,
  source: Sequence,
  target: Sequence,
  tokens: number,
): Promise<boolean> {
  if (!source.holds(tokens)) return false;
  if (source.rows !== undefined && target.rows !== undefined) {
    const rows = Int32Array.from({ length: tokens }, (_, i) => source.contextRows + i);
    const { rows: from } = source;
    await copyRows(model, allocator, { source: from, rows, target: target.rows, at: target.contextRows });
    target.advance(tokens);
    return true;
  }
  const slots = source.layout.slots.length;
  const { backend } = model;
  const g = new GraphContext(slots * 12 + tensorsPerTail * target.layout.tails.length + 16);
  try {
    for (let slot = 0; slot < slots; slot++) {
      const from = kvTensors(g, backend, source.layout, source.memory, source.capacity, slot);
      const to = kvTensors(g, backend, target.layout, target.memory, target.capacity, slot);
      const rows = ({ keys: k }: typeof from) => g.view(k, [k.ne[0], tokens, k.ne[2], 1], k.nb[1], k.nb[2], k.nb[3], 0);
      const columns = (v: Tensor) => g.view(v, [tokens, v.ne[1], v.ne[2], 1], v.nb[1], v.nb[2], v.nb[3], 0);
      g.expand(g.copy(rows(from), rows(to)));
      if (from.values && to.values) g.expand(g.copy(columns(from.values), columns(to.values)));
    }
    copyTails(g, backend, tailPlace(source), tailPlace(target));
    allocator.place(g);
    await allocator.compute(g);
  } finally {
    g.dispose();
  }
  target.advance(tokens);
  return true;
}
