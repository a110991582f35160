/** Converting a block's states between element types, on the device that computes. */
import type { GraphAllocator, TensorMemory } from '../../ggml/device/backend.ts';
import { GraphContext } from '../../ggml/graph/graph-context.ts';
import { type Tensor, TensorType } from '../../ggml/graph/tensor.ts';
import type { Model } from '../model.ts';
import type { KvLayout } from './kv-layout.ts';
import { kvTensors } from './kv-tensors.ts';
import { copyTails, tensorsPerTail } from './tails.ts';

/** A block's states in one layout. */
export interface StoredBlock {
  readonly layout: KvLayout;
  readonly memory: TensorMemory;
}

/**
 * Writes `source` into the memory of `target`, converting every element if types differ; tails, always in f32, as they are.
 * Both hold `tokens` tokens.
 */
export async function convertBlock(
  model: Model,
  allocator: GraphAllocator,
  source: StoredBlock,
  target: StoredBlock,
  tokens: number,
): Promise<void> {
  const slots = source.layout.slots.length;
  const { backend } = model;
  const g = new GraphContext(slots * 12 + tensorsPerTail * target.layout.tails.length + 16);
  // ggml turns quantised elements into f32 alone.
  const plain = (t: Tensor) =>
    source.layout.type === 'q8_0' && target.layout.type !== 'q8_0' ? g.copy(t, g.tensor(TensorType.F32, ...t.ne)) : t;
  try {
    for (let slot = 0; slot < slots; slot++) {
      const from = kvTensors(g, backend, source.layout, source.memory, tokens, slot);
      const to = kvTensors(g, backend, target.layout, target.memory, tokens, slot);
      g.expand(g.copy(plain(from.keys), to.keys));
      if (from.values && to.values) g.expand(g.copy(plain(from.values), to.values));
    }
    copyTails(g, backend, { ...source, tokens }, { ...target, tokens });
    allocator.place(g);
    await allocator.compute(g);
  } finally {
    g.dispose();
  }
}
