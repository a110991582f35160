import { beforeAll, describe, expect, test } from 'vitest';
import { loadLibrary } from '../../ggml/ffi/library.ts';
import type { EncodeMisses } from '../block-store.ts';
import {
  Allocations,
  block,
  dearMs,
  encoder,
  expectNoGrowth,
  idOf,
  isContentOf,
  never,
  release,
  settle,
} from '../testing/blocks.ts';
import { createMemoryStore } from './memory-store.ts';

function gate(): { readonly opened: Promise<void>; open(): void } {
  let open = () => {};
  const opened = new Promise<void>((resolve) => {
    open = resolve;
  });
  return { opened, open: () => open() };
}

beforeAll(async () => {
  await loadLibrary();
});

describe('hits and misses', () => {
  test('misses are encoded in one batch, once; then they are hits', async () => {
    const allocations = new Allocations();
    const batches: number[][] = [];
    const store = createMemoryStore({ budgetBytes: 1000 });
    const first = await store.acquire([block(1), block(2), block(1)], encoder(allocations, batches));
    expect(batches).toEqual([[1, 2]]);
    expect(first.map(({ status, tier, ms }) => [status, tier, ms])).toEqual([
      ['miss', 'none', dearMs],
      ['miss', 'none', dearMs],
      ['hit', 'memory', 0],
    ]);
    expect(first[0]?.memory).toBe(first[2]?.memory);
    const second = await store.acquire([block(2), block(3)], encoder(allocations, batches));
    expect(batches).toEqual([[1, 2], [3]]);
    expect(second.map(({ status }) => status)).toEqual(['hit', 'miss']);
    expect(second.map(({ memory }) => memory.bytes[0])).toEqual([2, 3]);
    expect(store.stats()).toMatchObject({ blocks: 3, bytes: 192, pinnedBlocks: 3, misses: 3, hits: { memory: 2 } });
    expect(await store.has(block(1).key)).toBe('memory');
    expect(await store.has(block(9).key)).toBeUndefined();
    release([...first, ...second]);
    store.checkIntegrity();
    expect(store.stats().pinnedBlocks).toBe(0);
    await store.close();
    expect(allocations.live).toBe(0);
  });

  test('no blocks, no work', async () => {
    const store = createMemoryStore({ budgetBytes: 0 });
    expect(await store.acquire([], never)).toEqual([]);
  });

  test('sizes are checked', async () => {
    const store = createMemoryStore({ budgetBytes: 1000 });
    for (const bytes of [0, -1, Number.NaN, 1.5]) {
      await expect(store.acquire([block(1, bytes)], never)).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' });
    }
    const two = store.acquire([block(1, 64), block(1, 65)], never);
    await expect(two).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' });
    expect(() => createMemoryStore({ budgetBytes: Number.NaN })).toThrow(/budgetBytes/);
    expect(store.stats().blocks).toBe(0);
  });

  test('a block of another size than asked for is a miss; who holds the old one keeps it', async () => {
    const allocations = new Allocations();
    const store = createMemoryStore({ budgetBytes: 1000 });
    const [old] = await store.acquire([block(1, 64)], encoder(allocations));
    const [fresh] = await store.acquire([block(1, 128)], encoder(allocations));
    expect(fresh?.status).toBe('miss');
    expect(fresh?.memory.bytes.byteLength).toBe(128);
    expect(isContentOf(old?.memory.bytes ?? new Uint8Array(0), 1)).toBe(true);
    old?.release();
    expect(allocations.live).toBe(1);
    fresh?.release();
    store.checkIntegrity();
    await store.close();
    expect(allocations.live).toBe(0);
  });
});

describe('budget', () => {
  test('the least recently used block that nobody holds goes first', async () => {
    const allocations = new Allocations();
    const store = createMemoryStore({ budgetBytes: 3 * 64 });
    const [pinned] = await store.acquire([block(1)], encoder(allocations));
    for (const id of [2, 3, 2, 4]) release(await store.acquire([block(id)], encoder(allocations)));
    expect(await Promise.all([1, 2, 3, 4].map((id) => store.has(block(id).key)))).toEqual([
      'memory',
      'memory',
      undefined,
      'memory',
    ]);
    expect(store.stats()).toMatchObject({ evictions: 1, bytes: 192 });
    pinned?.release();
    await store.close();
    expect(allocations.live).toBe(0);
  });

  test('blocks that are asked for are not pushed out by the others of the same request', async () => {
    const allocations = new Allocations();
    const store = createMemoryStore({ budgetBytes: 2 * 64 });
    release(await store.acquire([block(1), block(2)], encoder(allocations)));
    const handles = await store.acquire([block(3), block(1)], encoder(allocations));
    expect(handles.map(({ status }) => status)).toEqual(['miss', 'hit']);
    release(handles);
    store.checkIntegrity();
  });

  test('what outgrows the budget is served to a request that is alone, and dropped on release', async () => {
    const allocations = new Allocations();
    const store = createMemoryStore({ budgetBytes: 100 });
    const [large] = await store.acquire([block(1, 500)], encoder(allocations));
    expect(large?.memory.bytes.byteLength).toBe(500);
    large?.release();
    expect(store.stats()).toMatchObject({ blocks: 0, bytes: 0, evictions: 1 });
    const many = await store.acquire([block(1), block(2), block(3)], encoder(allocations));
    expect(store.stats().bytes).toBe(192);
    release(many);
    expect(store.stats().bytes).toBe(64);
    store.checkIntegrity();
    await store.close();
    expect(allocations.live).toBe(0);
  });

  test('STORE_FULL when the pins of others leave no room; sharing their blocks needs none', async () => {
    const allocations = new Allocations();
    const store = createMemoryStore({ budgetBytes: 128 });
    const held = await store.acquire([block(1), block(2)], encoder(allocations));
    await expect(store.acquire([block(1), block(3)], never)).rejects.toMatchObject({ code: 'STORE_FULL' });
    store.checkIntegrity();
    const shared = await store.acquire([block(2), block(1)], never);
    release(shared);
    release(held);
    release(await store.acquire([block(3)], encoder(allocations)));
    expect(store.stats()).toMatchObject({ pinnedBlocks: 0, bytes: 128 });
  });
});

describe('single flight', () => {
  test('callers at the same time share one encoding, and get each block as it finishes', async () => {
    const allocations = new Allocations();
    const store = createMemoryStore({ budgetBytes: 1000 });
    const half = gate();
    const batches: number[][] = [];
    const slow: EncodeMisses = async (missing, commit) => {
      batches.push(missing.map(idOf));
      for (const [at, request] of missing.entries()) {
        if (at === 1) await half.opened;
        commit(request, allocations.allocate(request.bytes, idOf(request)), 1);
      }
    };
    const leader = store.acquire([block(1), block(2)], slow);
    const early = await store.acquire([block(1)], never);
    expect(early[0]).toMatchObject({ status: 'hit', tier: 'memory' });
    const late = store.acquire([block(2), block(3)], slow);
    await settle();
    expect(batches).toEqual([[1, 2], [3]]);
    half.open();
    const all = [...(await leader), ...early, ...(await late)];
    expect(all.map(({ memory }) => memory.bytes[0])).toEqual([1, 2, 1, 2, 3]);
    expect(allocations.total).toBe(3);
    release(all);
    store.checkIntegrity();
  });

  test('when the encoder fails, its caller gets the error and a waiting one takes over', async () => {
    const allocations = new Allocations();
    const store = createMemoryStore({ budgetBytes: 1000 });
    const failing = gate();
    const leader = store.acquire([block(1), block(2)], async (missing, commit) => {
      const [request] = missing;
      if (request !== undefined) commit(request, allocations.allocate(request.bytes, 1), 1);
      await failing.opened;
      throw new Error('out of luck');
    });
    const batches: number[][] = [];
    const waiters = [1, 2, 3].map(() => store.acquire([block(1), block(2)], encoder(allocations, batches)));
    failing.open();
    await expect(leader).rejects.toThrow('out of luck');
    for (const handles of await Promise.all(waiters)) {
      expect(handles.map(({ memory }) => memory.bytes[0])).toEqual([1, 2]);
      release(handles);
    }
    expect(batches).toEqual([[2]]);
    store.checkIntegrity();
    await store.close();
    expect(allocations.live).toBe(0);
  });

  test('an abort rejects its caller at once; the encoder may still deliver, or a waiting caller takes over', async () => {
    const allocations = new Allocations();
    const store = createMemoryStore({ budgetBytes: 1000 });
    const controller = new AbortController();
    const stuck = gate();
    const leader = store.acquire(
      [block(1), block(2)],
      async (missing, commit) => {
        await stuck.opened;
        const [request] = missing;
        if (request !== undefined) commit(request, allocations.allocate(request.bytes, 1), 1);
        throw new Error('stopped');
      },
      { signal: controller.signal },
    );
    const batches: number[][] = [];
    const waiter = store.acquire([block(1), block(2)], encoder(allocations, batches));
    await settle();
    controller.abort();
    await expect(leader).rejects.toMatchObject({ code: 'ABORTED' });
    store.checkIntegrity();
    stuck.open();
    const handles = await waiter;
    expect(handles.map(({ status }) => status)).toEqual(['hit', 'miss']);
    expect(batches).toEqual([[2]]);
    release(handles);
    store.checkIntegrity();
    await expect(store.acquire([block(1)], never, { signal: controller.signal })).rejects.toMatchObject({
      code: 'ABORTED',
    });
    await store.close();
    expect(allocations.live).toBe(0);
  });

  test('a waiting caller can be cancelled without harm to the one that encodes', async () => {
    const allocations = new Allocations();
    const store = createMemoryStore({ budgetBytes: 1000 });
    const wait = gate();
    const leader = store.acquire([block(1)], async (missing, commit) => {
      await wait.opened;
      for (const request of missing) commit(request, allocations.allocate(request.bytes, 1), 1);
    });
    const controller = new AbortController();
    const waiter = store.acquire([block(1)], never, { signal: controller.signal });
    controller.abort();
    await expect(waiter).rejects.toMatchObject({ code: 'ABORTED' });
    wait.open();
    release(await leader);
    store.checkIntegrity();
    expect(store.stats().pinnedBlocks).toBe(0);
  });

  test('an encoder that returns early, commits what nobody asked for, or commits late does no harm', async () => {
    const allocations = new Allocations();
    const store = createMemoryStore({ budgetBytes: 1000 });
    await expect(store.acquire([block(1)], async () => {})).rejects.toMatchObject({ code: 'COMPUTE_FAILED' });
    let late: () => void = () => {};
    const misfit = store.acquire([block(1)], async ([request], commit) => {
      const wrong = allocations.allocate(32, 0);
      expect(() => commit(block(1), wrong, 1)).toThrow(/32 bytes instead of 64/);
      expect(() => commit(block(7, 32), wrong, 1)).toThrow(/not asked for/);
      wrong.free();
      late = () => commit(block(1), allocations.allocate(64, 9), 1);
      throw new Error(`gave up on ${request?.bytes}`);
    });
    await expect(misfit).rejects.toThrow('gave up on 64');
    late();
    expect(allocations.live).toBe(0);
    expect(await store.has(block(1).key)).toBeUndefined();
    store.checkIntegrity();
  });
});

describe('removal and closing', () => {
  test('a removed block is not found again; whoever holds it can still read it', async () => {
    const allocations = new Allocations();
    const store = createMemoryStore({ budgetBytes: 1000 });
    const [held] = await store.acquire([block(1), block(2)], encoder(allocations)).then(([one, two]) => {
      two?.release();
      return [one];
    });
    expect(await store.remove([block(1).key, block(2).key, block(2).key, block(9).key])).toBe(2);
    expect(allocations.live).toBe(1);
    expect(await store.has(block(1).key)).toBeUndefined();
    expect(isContentOf(held?.memory.bytes ?? new Uint8Array(0), 1)).toBe(true);
    store.checkIntegrity();
    held?.release();
    held?.release();
    expect(allocations.live).toBe(0);
    expect(store.stats()).toMatchObject({ blocks: 0, bytes: 0, pinnedBytes: 0 });
  });

  test('a block removed while it is encoded serves those who wait, and is not kept', async () => {
    const allocations = new Allocations();
    const store = createMemoryStore({ budgetBytes: 1000 });
    const wait = gate();
    const handles = store.acquire([block(1)], async (missing, commit) => {
      await wait.opened;
      for (const request of missing) commit(request, allocations.allocate(request.bytes, 1), 1);
    });
    await settle();
    expect(await store.remove([block(1).key])).toBe(0);
    wait.open();
    release(await handles);
    expect(await store.has(block(1).key)).toBeUndefined();
    expect(allocations.live).toBe(0);
    store.checkIntegrity();
  });

  test('closing frees what is not held, the rest on release', async () => {
    const allocations = new Allocations();
    const store = createMemoryStore({ budgetBytes: 1000 });
    const [held] = await store.acquire([block(1)], encoder(allocations));
    release(await store.acquire([block(2)], encoder(allocations)));
    await store.close();
    await store.close();
    expect(allocations.live).toBe(1);
    await expect(store.acquire([block(1)], never)).rejects.toMatchObject({ code: 'DISPOSED' });
    held?.release();
    expect(allocations.live).toBe(0);
    store.checkIntegrity();
  });
});

test('10,000 cycles leave memory as it was', async () => {
  const allocations = new Allocations();
  const store = createMemoryStore({ budgetBytes: 64 * 1024 });
  const encode = encoder(allocations);
  const cycles = async () => {
    for (let at = 0; at < 10_000; at += 1) {
      release(await store.acquire([block(at % 50, 4096), block(at % 7, 4096)], encode));
    }
  };
  await expectNoGrowth(cycles, 10_000 * 4096);
  store.checkIntegrity();
  expect(allocations.live).toBe(16);
  await store.close();
  expect(allocations.live).toBe(0);
});
