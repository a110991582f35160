/**
 * Random operations, many at once, against what a naive map of blocks would say.
 */
import fc from 'fast-check';
import { beforeAll, expect, test, vi } from 'vitest';
import { loadLibrary } from '../ggml/ffi/library.ts';
import type { BlockStore, EncodeMisses } from './block-store.ts';
import { createBlockStore } from './create-store.ts';
import { createMemoryStore } from './memory/memory-store.ts';
import {
  Allocations,
  block,
  collector,
  dearMs,
  encoder,
  idOf,
  isContentOf,
  release,
  settle,
  withFolder,
} from './testing/blocks.ts';

const blockBytes = 64;
const step = fc.record({
  blocks: fc.array(fc.nat(11), { minLength: 1, maxLength: 5 }),
  fate: fc.constantFrom('fine', 'fine', 'fine', 'fails', 'aborts'),
  /** Turns of the event loop that encoding a block takes. */
  delay: fc.nat(3),
  /** Turns that the blocks are kept. */
  keep: fc.nat(4),
  remove: fc.option(fc.nat(11), { freq: 6 }),
});
type Step = typeof step extends fc.Arbitrary<infer T> ? T : never;

beforeAll(async () => {
  await loadLibrary();
});

/** Runs the steps against a store, each starting before the last has ended; checks it after each. */
async function runSteps(store: BlockStore, allocations: Allocations, steps: readonly Step[]): Promise<void> {
  const active = new Set<number>();
  const removed = new Set<number>();
  const everEncoded = new Set<number>();
  const requests: Promise<void>[] = [];
  for (const { blocks, fate, delay, keep, remove } of steps) {
    const controller = new AbortController();
    const ownError = new Error('own failure');
    let encoded = false;
    const encodeEach: EncodeMisses = async (missing, commit) => {
      for (const [at, request] of missing.entries()) {
        for (let turn = 0; turn < delay; turn += 1) await settle();
        if (at > 0 || missing.length === 1) {
          if (fate === 'fails') throw ownError;
          if (fate === 'aborts') controller.abort();
        }
        everEncoded.add(idOf(request));
        active.delete(idOf(request));
        commit(request, allocations.allocate(request.bytes, idOf(request)), dearMs);
      }
    };
    const encode: EncodeMisses = async (missing, commit) => {
      encoded = true;
      for (const id of missing.map(idOf)) {
        // Single flight: only a removal makes a second encoding of the same block legitimate.
        if (!removed.has(id)) expect(active.has(id)).toBe(false);
        active.add(id);
      }
      try {
        await encodeEach(missing, commit);
      } finally {
        for (const id of missing.map(idOf)) active.delete(id);
      }
    };
    const wanted = blocks.map((id) => block(id, blockBytes));
    const request = store.acquire(wanted, encode, { signal: controller.signal }).then(
      async (handles) => {
        expect(handles.map(({ key }) => key)).toEqual(wanted.map(({ key }) => key));
        for (let turn = 0; turn <= keep; turn += 1) {
          for (const [at, { memory }] of handles.entries())
            expect(isContentOf(memory.bytes, blocks[at] ?? -1)).toBe(true);
          await settle();
        }
        for (const id of blocks) expect(everEncoded.has(id)).toBe(true);
        release(handles);
        store.checkIntegrity();
      },
      (error: { code?: string }) => {
        store.checkIntegrity();
        if (error.code === 'STORE_FULL') return;
        // Nobody fails with another request's error.
        expect(encoded && fate !== 'fine').toBe(true);
        if (fate === 'fails') expect(error).toBe(ownError);
        else expect(error.code).toBe('ABORTED');
      },
    );
    request.catch(() => {});
    requests.push(request);
    store.checkIntegrity();
    if (remove !== null) {
      removed.add(remove);
      await store.remove([block(remove).key]);
      store.checkIntegrity();
    }
    if (delay % 2 === 0) await settle();
    store.checkIntegrity();
  }
  for (const result of await Promise.allSettled(requests)) if (result.status === 'rejected') throw result.reason;
  for (let turn = 0; turn < 20; turn += 1) await settle();
  await store.flush();
  store.checkIntegrity();
  const { pinnedBlocks, pinnedBytes, bytes, budgetBytes } = store.stats();
  expect([pinnedBlocks, pinnedBytes]).toEqual([0, 0]);
  expect(bytes).toBeLessThanOrEqual(budgetBytes);
}

test('memory alone: 6,000 operations', async () => {
  const schedule = fc.array(step, { minLength: 60, maxLength: 60 });
  await fc.assert(
    fc.asyncProperty(schedule, fc.integer({ min: 0, max: 8 }), async (steps, room) => {
      const allocations = new Allocations();
      const store = createMemoryStore({ budgetBytes: room * blockBytes });
      await runSteps(store, allocations, steps);
      expect(allocations.live).toBe(store.stats().blocks);
      await store.close();
      expect(allocations.live).toBe(0);
    }),
    { numRuns: 100 },
  );
});

test('memory over a folder with room for a few blocks: 4,000 operations', async () => {
  const schedule = fc.array(step, { minLength: 40, maxLength: 40 });
  await fc.assert(
    fc.asyncProperty(schedule, fc.integer({ min: 0, max: 8 }), fc.integer({ min: 0, max: 12 }), (steps, room, files) =>
      withFolder(async (directory) => {
        const allocations = new Allocations();
        const diskBytes = files * (4096 + blockBytes);
        const options = { memoryBytes: room * blockBytes, directory, diskBytes, writeQueueBytes: 4 * blockBytes };
        const { warnings, onWarning } = collector();
        const store = await createBlockStore({ ...options, onWarning });
        await runSteps(store, allocations, steps);
        expect(warnings.filter(({ cause }) => cause !== 'write-queue')).toEqual([]);
        const [disk] = store.stats().tiers;
        expect(disk?.bytes).toBeLessThanOrEqual(diskBytes);
        await store.close();
        expect(allocations.live).toBe(0);
        // What a new process finds is what was written, and nothing else.
        const reopened = await createBlockStore({ ...options, onWarning });
        await vi.waitFor(() => expect(reopened.stats().tiers[0]?.blocks).toBe(disk?.blocks), {
          interval: 2,
          timeout: 10_000,
        });
        const again = await reopened.acquire([block(1), block(2)], encoder(allocations));
        expect(again.every(({ memory }, at) => isContentOf(memory.bytes, at + 1))).toBe(true);
        release(again);
        await reopened.close();
        expect(warnings.filter(({ cause }) => cause !== 'write-queue')).toEqual([]);
      }),
    ),
    { numRuns: 100 },
  );
});
