import { resolve } from 'node:path';
import { beforeAll, expect, test } from 'vitest';
import { loadLibrary } from '../packages/engine/src/ggml/ffi/library.ts';
import { allocateMemory } from '../packages/engine/src/ggml/ffi/memory.ts';
import type { BlockKey, BlockRequest } from '../packages/engine/src/store/block-store.ts';
import { createBlockStore, defaultDirectory } from '../packages/engine/src/store/create-store.ts';
import {
  Allocations,
  block,
  collector,
  encoder,
  fill,
  idOf,
  never,
  release,
  settle,
  use,
} from '../packages/engine/src/store/testing/blocks.ts';
import type { BlockTier, LoadContext, LoadedBlock, StoredBlock } from '../packages/engine/src/store/tier.ts';
import { storeFolder } from '../src/cli/runtime/open-store.ts';

beforeAll(async () => {
  await loadLibrary();
});

/** A tier in a map whose delays and failures a test decides: what a tier of one's own may look like. */
class MapTier implements BlockTier {
  readonly name: string = 's3';
  readonly blocks = new Map<BlockKey, Uint8Array>();
  readonly calls: string[] = [];
  beforeLoad: (context: LoadContext) => Promise<void> = async () => {};
  beforeSave: () => Promise<void> = async () => {};

  async load(request: BlockRequest, context: LoadContext): Promise<LoadedBlock | string> {
    this.calls.push(`load ${idOf(request)}`);
    await this.beforeLoad(context);
    const stored = this.blocks.get(request.key);
    if (stored === undefined) return 'absent';
    const memory = allocateMemory(request.bytes);
    memory.bytes.set(stored);
    return { memory, encodeMs: 1 };
  }
  async save({ request, payload }: StoredBlock): Promise<boolean> {
    this.calls.push(`save ${idOf(request)}`);
    await this.beforeSave();
    this.blocks.set(request.key, payload.slice());
    return true;
  }
  async has(key: BlockKey): Promise<boolean> {
    return this.blocks.has(key);
  }
  async remove(keys: readonly BlockKey[]): Promise<BlockKey[]> {
    return keys.filter((key) => this.blocks.delete(key));
  }
  stats() {
    const none = { blocks: undefined, bytes: undefined, budgetBytes: undefined, misses: {} };
    return { ...none, name: this.name, hits: 0, writes: 0, failedWrites: 0, evictions: 0 };
  }
  async close(): Promise<void> {
    this.calls.push('close');
  }

  put(id: number): void {
    const bytes = new Uint8Array(64);
    fill(bytes, id);
    this.blocks.set(block(id).key, bytes);
  }
}

function gate(): { readonly opened: Promise<void>; open(): void } {
  let open = () => {};
  const opened = new Promise<void>((resolve) => {
    open = resolve;
  });
  return { opened, open: () => open() };
}

test('every miss is looked for once, found blocks are not encoded, encoded ones are saved', async () => {
  const tier = new MapTier();
  tier.put(2);
  const store = await createBlockStore({ tiers: [tier] });
  const batches: number[][] = [];
  const requests = [block(1), block(2), block(3), block(1)];
  const handles = await store.acquire(requests, encoder(new Allocations(), batches));
  expect(handles.map(({ tier: from, decision }) => `${from} ${decision}`)).toEqual([
    'none absent',
    's3 loaded',
    'none absent',
    'memory resident',
  ]);
  expect(batches).toEqual([[1, 3]]);
  release(handles);
  await store.flush();
  expect(tier.calls).toEqual(['load 1', 'load 2', 'load 3', 'save 1', 'save 3']);
  await store.close();
  expect(tier.calls.at(-1)).toBe('close');
});

test('callers at the same time share one load', async () => {
  const tier = new MapTier();
  tier.put(1);
  const slow = gate();
  tier.beforeLoad = () => slow.opened;
  const store = await createBlockStore({ tiers: [tier] });
  const first = store.acquire([block(1)], never);
  const second = store.acquire([block(1)], never);
  await settle();
  slow.open();
  expect((await first)[0]).toMatchObject({ tier: 's3', decision: 'loaded' });
  expect((await second)[0]).toMatchObject({ status: 'hit', tier: 'memory', decision: 'shared' });
  expect(tier.calls).toEqual(['load 1']);
});

test('a caller that is cancelled while loading leaves no trace; another one takes over', async () => {
  const tier = new MapTier();
  tier.put(1);
  const slow = gate();
  tier.beforeLoad = () => slow.opened;
  const store = await createBlockStore({ tiers: [tier] });
  const controller = new AbortController();
  const first = store.acquire([block(1), block(2)], never, { signal: controller.signal });
  const batches: number[][] = [];
  const second = store.acquire([block(2), block(1)], encoder(new Allocations(), batches));
  await settle();
  controller.abort();
  await expect(first).rejects.toMatchObject({ code: 'ABORTED' });
  slow.open();
  release(await second);
  expect(batches).toEqual([[2]]);
  store.checkIntegrity();
  expect(store.stats()).toMatchObject({ pinnedBlocks: 0 });
});

test('loading is given up when it has taken as long as encoding would', async () => {
  const tier = new MapTier();
  const store = await createBlockStore({ tiers: [tier] });
  await use(store, [block(1)], encoder(new Allocations(), [], 60));
  tier.beforeLoad = ({ signal }) => new Promise((resolve) => signal.addEventListener('abort', () => resolve()));
  const from = performance.now();
  await use(store, [block(2), block(3)], encoder(new Allocations(), [], 60));
  const tookMs = performance.now() - from;
  expect(tookMs).toBeGreaterThan(100);
  expect(tookMs).toBeLessThan(1000);
});

test('a tier that throws is a miss and a warning', async () => {
  const tier = new MapTier();
  tier.beforeLoad = async () => {
    throw new Error('broken');
  };
  tier.beforeSave = async () => {
    throw new TypeError('broken as well');
  };
  const { warnings, onWarning } = collector();
  const store = await createBlockStore({ tiers: [tier], onWarning });
  const handles = await store.acquire([block(1), block(2)], encoder(new Allocations()));
  expect(handles.map(({ decision }) => decision)).toEqual(['unreadable', 'unreadable']);
  release(handles);
  await store.close();
  expect(warnings.map(({ cause }) => cause)).toEqual(['Error', 'TypeError']);
});

test('blocks wait for a slow tier within bounds, outside the budget, and are dropped when removed', async () => {
  const tier = new MapTier();
  const slow = gate();
  tier.beforeSave = () => slow.opened;
  const { warnings, onWarning } = collector();
  const store = await createBlockStore({ memoryBytes: 64, writeQueueBytes: 4 * 64, tiers: [tier], onWarning });
  const allocations = new Allocations();
  for (let id = 1; id <= 6; id += 1) await use(store, [block(id)], encoder(allocations));
  expect(store.stats()).toMatchObject({ pendingWriteBytes: 4 * 64, pinnedBlocks: 0 });
  // What waits to be written does not keep requests out.
  await use(store, [block(7)], encoder(allocations));
  store.checkIntegrity();
  expect(warnings.map(({ cause }) => cause)).toEqual(['write-queue']);
  const removal = store.remove([block(1).key, block(3).key]);
  await settle();
  slow.open();
  expect(await removal).toBe(2);
  await store.flush();
  expect([...tier.blocks.keys()].sort()).toEqual([block(2).key, block(4).key].sort());
  expect(store.stats()).toMatchObject({ pendingWriteBytes: 0, blocks: 1, bytes: 64 });
  await store.close();
  expect(allocations.live).toBe(0);
});

test('two tiers of one kind are two places: blocks come up from the second, and speeds do not mix', async () => {
  const [near, far] = [new MapTier(), new MapTier()];
  far.put(1);
  const store = await createBlockStore({ memoryBytes: 0, tiers: [near, far] });
  expect(await use(store, [block(1)], never)).toEqual(['s3 2']);
  await store.flush();
  expect(near.calls).toEqual(['load 1', 'save 1']);
  expect(far.calls).toEqual(['load 1']);
  expect(await use(store, [block(1)], never)).toEqual(['s3']);
  expect(await store.has(block(1).key)).toBe('s3');
  near.blocks.clear();
  expect(await store.has(block(1).key)).toBe('s3 2');
  const { tiers, hits } = store.stats();
  expect(tiers.map(({ name }) => name)).toEqual(['s3', 's3 2']);
  expect(hits).toMatchObject({ memory: 0, disk: 0, redis: 0, s3: 1, 's3 2': 1 });
});

test('a slow tier is passed over, and another of its kind is not', async () => {
  const [slow, quick] = [new MapTier(), new MapTier()];
  const store = await createBlockStore({ memoryBytes: 0, tiers: [slow, quick] });
  // Encoding is said to be instant, so that whatever was measured is slower.
  const instant = encoder(new Allocations(), [], 0);
  slow.put(1);
  await use(store, [block(1)], instant);
  await use(store, [block(2)], instant);
  await store.flush();
  slow.calls.length = 0;
  quick.calls.length = 0;
  await use(store, [block(3)], instant);
  await store.flush();
  expect(slow.calls).toEqual(['save 3']);
  expect(quick.calls).toEqual(['load 3', 'save 3']);
});

test('a tier of one’s own has any name, but for those that are no tier', async () => {
  class Archive extends MapTier {
    override readonly name: string;
    constructor(name: string) {
      super();
      this.name = name;
    }
  }
  const named = (name: string): BlockTier => new Archive(name);
  const tape = named('tape');
  const store = await createBlockStore({ memoryBytes: 0, tiers: [tape, named('tape'), named('tape 2')] });
  expect(store.stats().tiers.map(({ name }) => name)).toEqual(['tape', 'tape 2', 'tape 2 2']);
  await use(store, [block(1)], encoder(new Allocations()));
  await store.flush();
  expect(await use(store, [block(1)], never)).toEqual(['tape']);
  for (const name of ['memory', 'none', '', ' ']) {
    await expect(createBlockStore({ tiers: [named(name)] })).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' });
  }
});

test('the folder of blocks is the command line’s own', () => {
  expect(defaultDirectory({ BLOCK_ATTENTION_CACHE: '/big' })).toBe(resolve('/big/blocks'));
  expect(defaultDirectory({ HOME: '/h', XDG_CACHE_HOME: '/x' })).toBe(resolve('/x/block-attention/blocks'));
  expect(storeFolder({}, { BLOCK_ATTENTION_CACHE: '/big' })).toBe(defaultDirectory({ BLOCK_ATTENTION_CACHE: '/big' }));
});
