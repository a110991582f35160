/** Tails of short convolutions as tensors of a graph: what a block, or a sequence, keeps of its last tokens. */
import type { Backend, TensorMemory } from '../../ggml/device/backend.ts';
import type { GraphContext } from '../../ggml/graph/graph-context.ts';
import { type Tensor, TensorType } from '../../ggml/graph/tensor.ts';
import type { KvLayout } from './kv-layout.ts';
import type { Sequence } from './sequence.ts';

/** States of so many tokens in one layout, be it a block or an own cache of that capacity. */
export interface TailPlace {
  readonly layout: KvLayout;
  readonly memory: TensorMemory;
  readonly tokens: number;
}

/** Where a sequence's own tails lie. */
export function tailPlace({ layout, memory, capacity }: Pick<Sequence, 'layout' | 'memory' | 'capacity'>): TailPlace {
  return { layout, memory, tokens: capacity };
}

/** One of the tails: f32 [channels, tokens], the oldest token first. */
export function tailTensor(g: GraphContext, backend: Backend, place: TailPlace, tail: number): Tensor {
  const { layout, memory, tokens } = place;
  const shape = layout.tails[tail];
  if (shape === undefined) throw new Error(`tail ${tail} of ${layout.tails.length}`);
  const ne = [shape.channels, shape.tokens, 1, 1] as const;
  return backend.placed(g, TensorType.F32, ne, memory, layout.tailOffset(tail, tokens));
}

/** Tensors that copyTails() adds for each tail. */
export const tensorsPerTail = 4;

/** Adds nodes that copy all tails as they are. */
export function copyTails(g: GraphContext, backend: Backend, from: TailPlace, to: TailPlace): void {
  for (const tail of to.layout.tails.keys()) {
    g.expand(g.copy(tailTensor(g, backend, from, tail), tailTensor(g, backend, to, tail)));
  }
}
