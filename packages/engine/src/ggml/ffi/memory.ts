/**
 * Native memory that tensors can live in: aligned allocations and read-only file mappings.
 *
 * Owned by whoever called; `free()` is explicit and idempotent, and the `bytes` view must not be touched afterwards.
 * An address is passed around as a bigint, as everywhere in this folder.
 */
import { closeSync, fstatSync, openSync, readSync } from 'node:fs';
import koffi from 'koffi';
import { BlockAttentionError } from '../../errors.ts';
import { Shortage } from '../device/memory-account.ts';
import { library } from './library.ts';
import { guardMapping } from './mapping-guard.ts';

export interface NativeMemory {
  /** Address of the first byte, aligned to 64. */
  readonly address: bigint;
  readonly size: number;
  /**
   * The same bytes, as a view without copy, made when first asked for: V8 counts views as its own memory and collects
   * garbage for every few MiB of them, so what only native code reads is better passed on by its address.
   * @throws DISPOSED when that is after free().
   */
  readonly bytes: Uint8Array;
  /** True when the bytes are a read-only mapping of a file: writing to them kills the process. */
  readonly mapped: boolean;
  /**
   * True once a page of a mapped file could not be read and became zeros (mapping-guard.ts): what is read is wrong from
   * then on. Absent where there is no file behind.
   */
  readonly damaged?: boolean | undefined;
  free(): void;
}

/** Bytes in V8's care, or native ones. */
export type Bytes = Uint8Array | Pick<NativeMemory, 'address' | 'size'>;

export function sizeOf(bytes: Bytes): number {
  return bytes instanceof Uint8Array ? bytes.byteLength : bytes.size;
}

/** Where the first byte lies: as long as whoever asks holds on to the bytes. */
export function addressOf(bytes: Bytes): bigint {
  return bytes instanceof Uint8Array ? koffi.address(bytes) : bytes.address;
}

/** The same bytes as a view. */
export function bytesOf(bytes: Bytes): Uint8Array {
  return bytes instanceof Uint8Array ? bytes : viewOf(bytes);
}

class Extent implements NativeMemory {
  readonly address: bigint;
  readonly size: number;
  readonly mapped: boolean;
  readonly #release: () => void;
  readonly #isDamaged: (() => boolean) | undefined;
  #bytes: Uint8Array | undefined;
  #freed = false;

  constructor(address: bigint, size: number, mapped: boolean, release: () => void, isDamaged?: () => boolean) {
    this.address = address;
    this.size = size;
    this.mapped = mapped;
    this.#release = release;
    this.#isDamaged = isDamaged;
  }

  get damaged(): boolean {
    return this.#isDamaged?.() ?? false;
  }

  get bytes(): Uint8Array {
    if (this.#freed) {
      throw new BlockAttentionError('DISPOSED', `${this.size} bytes of native memory were freed: read them before`);
    }
    this.#bytes ??= viewOf(this);
    return this.#bytes;
  }

  free(): void {
    if (this.#freed) return;
    this.#freed = true;
    this.#bytes = undefined;
    this.#release();
  }
}

/** A view without copy of the first `size` bytes, without one of them all. Must not be touched once they are freed. */
export function viewOf(memory: Pick<NativeMemory, 'address' | 'size'>, size = memory.size): Uint8Array {
  return new Uint8Array(koffi.view(memory.address, Math.min(size, memory.size)));
}

/** What follows the first `offset` bytes. It takes the memory over: freeing it frees the whole. */
export function tailOf(memory: NativeMemory, offset: number): NativeMemory {
  const { address, size, mapped } = memory;
  return new Extent(
    address + BigInt(offset),
    size - offset,
    mapped,
    () => memory.free(),
    () => memory.damaged ?? false,
  );
}

interface Allocator {
  alloc(size: number): bigint | null;
  release(address: bigint, size: number): void;
}
let allocator: Allocator | undefined;

function aligned(): Allocator {
  if (allocator === undefined) {
    const { base } = library();
    const alloc = base.func('void *ggml_aligned_malloc(size_t size)') as (size: number) => bigint | null;
    const release = base.func('void ggml_aligned_free(void *ptr, size_t size)') as (a: bigint, size: number) => void;
    allocator = { alloc, release };
  }
  return allocator;
}

/**
 * Allocates memory aligned to 64 bytes.
 * @param contents `unset`: whatever lay there, for memory that is overwritten as a whole. Defaults to zeros.
 * @throws MODEL_TOO_LARGE, with a Shortage, when the system has none left.
 */
export function allocateMemory(size: number, contents: 'zeros' | 'unset' = 'zeros'): NativeMemory {
  const memory = tryAllocateMemory(size, contents);
  if (memory !== null) return memory;
  const message = `cannot allocate ${size} bytes: lower the byte budget`;
  throw new BlockAttentionError('MODEL_TOO_LARGE', message, { cause: new Shortage(size) });
}

/** The same, or null when the system has none left. */
export function tryAllocateMemory(size: number, contents: 'zeros' | 'unset' = 'zeros'): NativeMemory | null {
  const address = aligned().alloc(Math.max(size, 64));
  if (address === null) return null;
  const memory = new Extent(address, size, false, () => aligned().release(address, Math.max(size, 64)));
  if (size >= 2 * hugePage && process.platform === 'linux') askForHugePages(memory);
  if (contents === 'zeros') {
    const calls = posixCalls();
    if (calls === null) for (const part of partsOf(memory)) part.fill(0);
    else calls.memset(address, 0, size);
  }
  return memory;
}

const hugePage = 2 << 20;
/** MADV_HUGEPAGE. */
const adviseHuge = 14;

/**
 * Asks the kernel to back what whole huge pages of 2 MiB there are in a memory by such, before it is touched: keys and
 * values of a long context have more ordinary pages than the processor remembers addresses of, and every token reads all.
 * Where the kernel has none nothing changes.
 */
function askForHugePages({ address, size }: Pick<NativeMemory, 'address' | 'size'>): void {
  const page = BigInt(hugePage);
  const from = ((address + page - 1n) / page) * page;
  const to = ((address + BigInt(size)) / page) * page;
  posixCalls()?.madvise(from, Number(to - from), adviseHuge);
}

interface Posix {
  mmap(address: null, size: number, protection: number, flags: number, fd: number, offset: number): bigint;
  munmap(address: bigint, size: number): number;
  memset(address: bigint, value: number, size: number): void;
  madvise(address: bigint, size: number, advice: number): number;
}
let posix: Posix | null | undefined;

function posixCalls(): Posix | null {
  if (posix === undefined) {
    if (process.platform === 'win32') {
      posix = null;
    } else {
      const c = koffi.load(null);
      posix = {
        mmap: c.func('void *mmap(void *addr, size_t len, int prot, int flags, int fd, int64_t off)') as Posix['mmap'],
        munmap: c.func('int munmap(void *addr, size_t len)') as Posix['munmap'],
        memset: c.func('void memset(void *addr, int value, size_t len)') as Posix['memset'],
        madvise: c.func('int madvise(void *addr, size_t len, int advice)') as Posix['madvise'],
      };
    }
  }
  return posix;
}

/**
 * Maps a whole file read-only; on systems without mmap reads it into memory instead. The file may be deleted while
 * mapped. Where somebody truncates it in place, reading what is missing ends the process; not so where it is `guarded`,
 * for those who ask whether it was `damaged` once they have read, and the native library is there: it reads as zeros.
 * @throws the system's error when the file cannot be opened; MODEL_INVALID when it is empty.
 */
export function mapFile(path: string, options: { readonly guarded?: boolean } = {}): NativeMemory {
  const fd = openSync(path, 'r');
  try {
    const { size } = fstatSync(fd);
    if (size === 0) throw new BlockAttentionError('MODEL_INVALID', `${path} is empty`);
    const calls = posixCalls();
    if (calls === null) return readWhole(fd, size);
    const protRead = 1;
    const mapShared = 1;
    const address = calls.mmap(null, size, protRead, mapShared, fd, 0);
    if (address === -1n || address === 0xffffffffffffffffn) return readWhole(fd, size);
    const guard = options.guarded === true ? guardMapping(address, size) : undefined;
    const release = () => {
      guard?.release();
      calls.munmap(address, size);
    };
    return new Extent(address, size, true, release, () => guard?.damaged ?? false);
  } finally {
    closeSync(fd);
  }
}

function readWhole(fd: number, size: number): NativeMemory {
  const memory = allocateMemory(size);
  let at = 0;
  for (const part of partsOf(memory)) {
    for (let done = 0; done < part.length; ) {
      const count = readSync(fd, part, done, part.length - done, at);
      if (count === 0) {
        memory.free();
        throw new BlockAttentionError('MODEL_INVALID', `file ended at byte ${at} of ${size}`);
      }
      done += count;
      at += count;
    }
  }
  return memory;
}

/** Views of a memory's bytes, one after the other: of more than 4 GiB V8 makes none. */
function* partsOf({ address, size }: Pick<NativeMemory, 'address' | 'size'>, most = 1 << 30): Generator<Uint8Array> {
  for (let at = 0; at < size; at += most) {
    yield viewOf({ address: address + BigInt(at), size: Math.min(most, size - at) });
  }
}
