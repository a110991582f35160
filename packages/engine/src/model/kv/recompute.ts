/**
 * Computing some tokens of a prompt's context again, with full attention over all before them, in blocks that are
 * private to one request.
 *
 * A run of such tokens is a sequence whose own cache is its block, filled up to the run, and whose context are the
 * blocks before. Positions are counted from the start of the run's own block, so blocks before it start at negative
 * ones: rotary embeddings know distances alone, and the keys come out as a stored block has them. A run may depend on
 * the runs before it, in the same batch too: within a layer all states are written before any is read by a later one.
 */
import type { Backend } from '../../ggml/device/backend.ts';
import type { Step } from '../graph/step.ts';
import type { StoredBlock } from './convert-kv.ts';
import { Sequence } from './sequence.ts';

/** A context block with its tokens. Only blocks with runs in them are written to. */
export interface ContextStates extends StoredBlock {
  readonly tokens: Int32Array;
}

/** Tokens [first, first + count) of a block. */
export interface Run {
  readonly block: number;
  readonly first: number;
  readonly count: number;
}

/** The runs as steps of one batch. @param runs in the order of the prompt */
export function recomputeSteps(backend: Backend, blocks: readonly ContextStates[], runs: readonly Run[]): Step[] {
  const starts: number[] = [];
  let end = 0;
  for (const { tokens } of blocks) {
    starts.push(end);
    end += tokens.length;
  }
  const context = blocks.map(({ memory, layout, tokens }) => ({ memory, layout, tokens: tokens.length }));
  return runs.flatMap(({ block: index, first, count }) => {
    const block = blocks[index];
    if (block === undefined) return [];
    const { layout, memory, tokens } = block;
    const origin = starts[index] ?? 0;
    const places = { starts: starts.slice(0, index).map((start) => start - origin), first: 0 };
    const sequence = new Sequence(backend, layout, context.slice(0, index), tokens.length, memory, places);
    sequence.advance(first);
    return [{ sequence, tokens: tokens.subarray(first, first + count), logits: 'none' as const }];
  });
}

/** Runs of the marked tokens: neighbours together. @param marked per block, per token */
export function markedRuns(marked: readonly (readonly boolean[])[]): Run[] {
  return marked.flatMap((flags, block) => {
    const runs: Run[] = [];
    let first = 0;
    for (let i = 0; i <= flags.length; i++) {
      if (flags[i] === true) continue;
      if (i > first) runs.push({ block, first, count: i - first });
      first = i + 1;
    }
    return runs;
  });
}

/**
 * Cuts runs into batches, in order.
 * @param most tokens of a batch
 * @param piece most tokens that a run may have in one batch, at least 1: bounds what its scores take
 */
export function batchRuns(runs: readonly Run[], most: number, piece: (run: Run) => number): Run[][] {
  const batches: Run[][] = [];
  let room = 0;
  for (const run of runs) {
    for (let done = 0; done < run.count; ) {
      if (room === 0) {
        batches.push([]);
        room = most;
      }
      const count = Math.min(run.count - done, room, piece(run));
      batches.at(-1)?.push({ block: run.block, first: run.first + done, count });
      done += count;
      room -= count;
    }
  }
  return batches;
}
