/**
 * What the store's tests share: blocks with recognisable contents, counted native memory, encoders.
 */
import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { allocateMemory, type NativeMemory } from '../../ggml/ffi/memory.ts';
import type { BlockHandle, BlockKey, BlockRequest, BlockStore, EncodeMisses } from '../block-store.ts';
import type { StoreWarning } from '../warnings.ts';

/** Native memory that is counted: every allocation must be freed once. */
export class Allocations {
  live = 0;
  total = 0;

  allocate(size: number, id: number): NativeMemory {
    const memory = allocateMemory(size);
    fill(memory.bytes, id);
    this.live += 1;
    this.total += 1;
    let freed = false;
    return {
      address: memory.address,
      size,
      bytes: memory.bytes,
      mapped: false,
      free: () => {
        if (freed) throw new Error('freed twice');
        freed = true;
        this.live -= 1;
        memory.free();
      },
    };
  }
}

/** The block of a number: its tokens are derived from it, its key from the tokens. */
export function block(id: number, bytes = 64): BlockRequest {
  const tokens = Int32Array.from({ length: 1 + (id % 40) }, (_, at) => id * 64 + at);
  const key = createHash('sha256').update('test').update(tokens).digest('hex') as BlockKey;
  return { key, tokens, bytes };
}

export function idOf(request: BlockRequest): number {
  return (request.tokens[0] ?? 0) >> 6;
}

/** Contents that tell blocks, and places within a block, apart. */
export function fill(bytes: Uint8Array, id: number): void {
  for (let at = 0; at < bytes.byteLength; at += 1) bytes[at] = (id + at * (7 + 2 * (id >> 8)) + (at >> 8)) & 0xff;
}

export function isContentOf(bytes: Uint8Array, id: number): boolean {
  const expected = new Uint8Array(bytes.byteLength);
  fill(expected, id);
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).equals(expected);
}

/** A cost of encoding that no load exceeds: blocks are never encoded because a busy machine loads them slowly. */
export const dearMs = 60_000;

/** An encoder that finishes at once, recording its batches. @param ms what it says encoding a block took */
export function encoder(allocations: Allocations, batches: number[][] = [], ms = dearMs): EncodeMisses {
  return async (missing, commit) => {
    batches.push(missing.map(idOf));
    for (const request of missing) commit(request, allocations.allocate(request.bytes, idOf(request)), ms);
  };
}

export const never: EncodeMisses = async () => {
  throw new Error('must not be asked to encode');
};

export function release(handles: readonly BlockHandle[]): void {
  for (const handle of handles) handle.release();
}

/** Acquires, checks every byte, releases; returns where each block came from. */
export async function use(
  store: BlockStore,
  requests: readonly BlockRequest[],
  encode: EncodeMisses,
): Promise<string[]> {
  const handles = await store.acquire(requests, encode);
  try {
    return handles.map((handle, at) => {
      const request = requests[at];
      if (request === undefined || !isContentOf(handle.memory.bytes, idOf(request))) {
        throw new Error(`block ${handle.key} has wrong contents`);
      }
      return handle.tier;
    });
  } finally {
    release(handles);
  }
}

export function settle(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

/**
 * Bytes that the process keeps after collecting garbage. The heap is exact to some KiB; the resident set is not: what
 * allocators hold back grows by megabytes and stops.
 */
export async function keptBytes(): Promise<{ readonly heap: number; readonly resident: number }> {
  setFlagsFromString('--expose-gc');
  const collect: unknown = runInNewContext('gc');
  for (let turn = 0; turn < 3; turn += 1) {
    if (typeof collect === 'function') collect();
    await settle();
  }
  return { heap: process.memoryUsage().heapUsed, resident: process.memoryUsage.rss() };
}

/**
 * Checks that repeating something keeps no memory: runs it to warm up, then again, and compares.
 * `leakBytes`: native memory that it would lose if it never freed any.
 */
export async function expectNoGrowth(work: () => Promise<void>, leakBytes: number): Promise<void> {
  await work();
  const before = await keptBytes();
  await work();
  const after = await keptBytes();
  const heap = after.heap - before.heap;
  const resident = after.resident - before.resident;
  if (heap < 2 ** 20 && resident < leakBytes) return;
  throw new Error(`heap grew by ${heap} bytes, resident set by ${resident}`);
}

/** A folder that is gone after the test. In memory where possible: thousands of synced writes take minutes on disk. */
export async function withFolder<T>(work: (directory: string) => Promise<T>): Promise<T> {
  const base = existsSync('/dev/shm') ? '/dev/shm' : tmpdir();
  const directory = await mkdtemp(join(base, 'block-attention-'));
  try {
    return await work(directory);
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
}

/** Collects warnings. */
export function collector(): {
  readonly warnings: StoreWarning[];
  readonly onWarning: (warning: StoreWarning) => void;
} {
  const warnings: StoreWarning[] = [];
  return { warnings, onWarning: (warning) => warnings.push(warning) };
}
