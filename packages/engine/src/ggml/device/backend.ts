/**
 * A device that computes graphs: the CPU, or a GPU when its platform package is installed.
 *
 * Owns threads and buffers; knows no model. One graph computes at a time per backend: callers queue (engine/runner).
 * Computing happens on a thread of its own, so the event loop stays free.
 */
import { BlockAttentionError } from '../../errors.ts';
import { type Bindings, bindings } from '../ffi/bindings.ts';
import { type Device, library, loadLibrary } from '../ffi/library.ts';
import { tryAllocateMemory } from '../ffi/memory.ts';
import { GraphContext } from '../graph/graph-context.ts';
import { byteSize, type Shape, type Tensor, TensorType } from '../graph/tensor.ts';
import { cpuBudget } from './cpu-budget.ts';
import { type GraphAllocator, plainAllocator, splittingAllocator } from './graph-allocator.ts';
import { MemoryAccount } from './memory-account.ts';
import { NodeTimes } from './node-times.ts';
import { Repacker } from './repack.ts';
import { ThreadPools } from './thread-pools.ts';
import { Uploads } from './uploads.ts';

/** ggml's own limit. */
const mostThreads = 512;
const deviceTypes = { cpu: 0, gpu: 1, integrated: 2 } as const;
/** A buffer over all addresses of the process, so that any host memory can back a tensor. Aligned as ggml asks. */
const hostBase = 4096n;
const hostBytes = 1n << 47n;

export interface BackendOptions {
  readonly device?: Device | undefined;
  /**
   * CPU threads. `auto`: as many as there are cores for this process (cpu-budget.ts), and fewer while others use them.
   * Defaults to the environment's BLOCK_ATTENTION_THREADS, else to `auto`.
   */
  readonly threads?: number | 'auto' | undefined;
  /**
   * Most bytes of the device's memory to take: beyond, there is none left. On the CPU, weights are not counted, which are
   * mapped or rearranged. Defaults to what the driver gives.
   */
  readonly memoryBytes?: number | undefined;
}

/** Memory that tensors can be placed in: a device's own, or on the CPU any memory of the process. */
export interface TensorMemory {
  readonly buffer: bigint;
  /** Where it begins: an address of this process on the CPU, of the device elsewhere. */
  readonly address: bigint;
  /** Whether a part of what lay there was lost: see NativeMemory. Absent where that cannot be. */
  readonly isDamaged?: (() => boolean) | undefined;
}

export interface OwnedMemory extends TensorMemory {
  readonly bytes: number;
  /** Idempotent. */
  free(): void;
}

export type { GraphAllocator };

export class Backend {
  readonly #ggml: Bindings;
  readonly #handle: bigint;
  readonly #device: bigint;
  readonly #hostBuffer: bigint | null;
  /** Computes what the device has no kernel for. */
  readonly #cpuFallback: bigint | undefined;
  readonly #pools: ThreadPools | undefined;
  readonly #account: MemoryAccount;
  /** Name of the device, e.g. `CPU`, `CUDA0`. */
  readonly name: string;
  readonly description: string;
  readonly isCpu: boolean;
  /** The most threads that compute, and what rounding depends on: not on how many of them do. */
  readonly threads: number;
  /** Whether fewer may be used where that is faster. */
  readonly adaptive: boolean;
  #uploads: { readonly opened: Uploads | undefined } | undefined;
  #disposed = false;

  private constructor(
    handle: bigint,
    device: bigint,
    { threads, memoryBytes }: { readonly threads: Threads; readonly memoryBytes: number | undefined },
    cpuFallback: bigint | undefined,
  ) {
    this.#ggml = bindings();
    this.#handle = handle;
    this.#device = device;
    this.name = this.#ggml.backend_dev_name(device);
    this.description = this.#ggml.backend_dev_description(device);
    this.isCpu = this.#ggml.backend_dev_type(device) === deviceTypes.cpu;
    this.#account = new MemoryAccount(this.name, memoryBytes, () => this.deviceMemory().free);
    this.threads = threads.count;
    this.adaptive = threads.adaptive && this.isCpu;
    this.#cpuFallback = cpuFallback;
    this.#hostBuffer = this.isCpu ? this.#ggml.backend_dev_buffer_from_host_ptr(device, hostBase, hostBytes, 0) : null;
    this.#pools = this.isCpu ? new ThreadPools(this.#ggml, handle, device) : undefined;
    this.useThreads(this.threads);
  }

  /**
   * Opens a device. @throws BACKEND_UNAVAILABLE when its package or driver is missing; INVALID_ARGUMENT for a thread
   * count that is not an integer from 1 to 512, or a limit of memory that is not above 0.
   */
  static async open(options: BackendOptions = {}): Promise<Backend> {
    const wanted = options.device ?? 'auto';
    const threads = chooseThreads(options.threads);
    await loadLibrary(wanted);
    const { ggml, flavour } = library();
    const count = ggml.func('size_t ggml_backend_dev_count()') as () => number;
    const get = ggml.func('void *ggml_backend_dev_get(size_t i)') as (index: number) => bigint;
    const calls = bindings();
    const devices = Array.from({ length: Number(count()) }, (_, index) => get(index));
    const isGpu = (device: bigint) => calls.backend_dev_type(device) !== deviceTypes.cpu;
    // The Apple package always brings Metal, but there the CPU's fused kernel is the path that was measured.
    const preferCpu = wanted === 'cpu' || (wanted === 'auto' && flavour === 'metal');
    const chosen = preferCpu
      ? devices.find((device) => !isGpu(device))
      : (devices.find(isGpu) ?? (wanted === 'auto' ? devices[0] : undefined));
    if (chosen === undefined) {
      throw new BlockAttentionError(
        'BACKEND_UNAVAILABLE',
        `device "${wanted}": the ${flavour} libraries are installed but no such device answers: check the driver, or use --device cpu`,
      );
    }
    const handle = calls.backend_dev_init(chosen, null);
    if (handle === null) throw new BlockAttentionError('BACKEND_UNAVAILABLE', `device "${wanted}" cannot be started`);
    const cpu = devices.find((device) => !isGpu(device));
    const fallback = isGpu(chosen) && cpu !== undefined ? calls.backend_dev_init(cpu, null) : null;
    return new Backend(handle, chosen, { threads, memoryBytes: options.memoryBytes }, fallback ?? undefined);
  }

  /** How many threads the next compute takes, of at most `threads`. Nothing may be computing. CPU only. */
  useThreads(threads: number): void {
    this.#pools?.use(Math.max(1, Math.min(threads, this.threads)));
  }

  /** Whether a thread that waits for another lets it have its core. */
  get threadsYield(): boolean {
    return this.#pools?.yields ?? false;
  }

  /** Host memory that the caller owns and keeps valid, as a place for tensors. CPU only. */
  hostMemory(address: bigint): TensorMemory {
    if (this.#hostBuffer === null) {
      throw new BlockAttentionError('COMPUTE_FAILED', `${this.name} cannot read host memory: upload the data`);
    }
    return { buffer: this.#hostBuffer, address };
  }

  /** Bytes that are taken of the device's memory, and the most that may be: Infinity without a limit. */
  memoryUse(): { readonly usedBytes: number; readonly limitBytes: number } {
    return { usedBytes: this.#account.usedBytes, limitBytes: this.#account.limitBytes };
  }

  /**
   * Zeroed memory of the device. @param what names what it is for
   * @throws MODEL_TOO_LARGE, with a Shortage, when it has none left
   */
  allocateMemory(bytes: number, what = 'keys and values'): OwnedMemory {
    const account = this.#account;
    const { buffer, address, release } = account.take(bytes, what, () => this.#ownMemory(bytes));
    let freed = false;
    return {
      buffer,
      address,
      bytes,
      free() {
        if (freed) return;
        freed = true;
        release();
        account.giveBack(bytes);
      },
    };
  }

  #ownMemory(bytes: number): { buffer: bigint; address: bigint; release: () => void } | null {
    if (this.#hostBuffer !== null) {
      const memory = tryAllocateMemory(bytes);
      return memory && { buffer: this.#hostBuffer, address: memory.address, release: () => memory.free() };
    }
    const calls = this.#ggml;
    const buffer = calls.backend_alloc_buffer(this.#handle, bytes);
    if (buffer === null) return null;
    calls.backend_buffer_clear(buffer, 0);
    return {
      buffer,
      address: calls.backend_buffer_get_base(buffer),
      release: () => calls.backend_buffer_free(buffer),
    };
  }

  /** A tensor at `offset` bytes of some memory. */
  placed(context: GraphContext, type: TensorType, ne: Shape, memory: TensorMemory, offset: number): Tensor {
    const tensor = context.tensor(type, ...ne);
    this.#ggml.backend_tensor_alloc(memory.buffer, tensor.address, memory.address + BigInt(offset));
    return tensor;
  }

  /** Gives a node that has none yet a place, instead of the allocator: its result is written to `offset` bytes of some memory. */
  assign(node: Tensor, memory: TensorMemory, offset: number): Tensor {
    this.#ggml.backend_tensor_alloc(memory.buffer, node.address, memory.address + BigInt(offset));
    return node;
  }

  /** Whether the device computes a node itself, instead of leaving it to the CPU. */
  supports(node: Tensor): boolean {
    return this.#ggml.backend_dev_supports_op(this.#device, node.address);
  }

  /** Bytes of the device's memory, as its driver counts them: of an unknown size 0. */
  deviceMemory(): { readonly free: number; readonly total: number } {
    const [free, total] = [new BigUint64Array(1), new BigUint64Array(1)];
    this.#ggml.backend_dev_memory(this.#device, free, total);
    return { free: Number(free[0]), total: Number(total[0]) };
  }

  /** Most bytes that allocateMemory() gives at once. */
  get mostBytes(): number {
    if (this.isCpu) return Number.POSITIVE_INFINITY;
    return Number(this.#ggml.backend_buft_get_max_size(this.#ggml.backend_get_default_buffer_type(this.#handle)));
  }

  /** Rearranges weights for this CPU's matrix kernels; undefined on other devices. */
  repacker(): Repacker | undefined {
    return this.isCpu ? new Repacker(this.#ggml, this.#ggml.backend_get_device(this.#handle)) : undefined;
  }

  /** Copying beside computing; undefined where the device cannot. Opened by the first call, when nothing may be computing. */
  uploads(): Uploads | undefined {
    this.#uploads ??= { opened: Uploads.open(this.#ggml, this.#device, this.isCpu) };
    return this.#uploads.opened;
  }

  /** The same if it was opened before. */
  get openUploads(): Uploads | undefined {
    return this.#uploads?.opened;
  }

  /** Copies `data` to the start of some memory; its length is a multiple of 4. */
  upload(memory: TensorMemory, data: Uint8Array): void {
    this.#withBytes(memory, data.byteLength, (tensor) => this.write(tensor, data));
  }

  /** Copies the start of some memory into `data`, whose length is a multiple of 4. */
  download(memory: TensorMemory, data: Uint8Array): void {
    this.#withBytes(memory, data.byteLength, (tensor) => this.read(tensor, data));
  }

  #withBytes(memory: TensorMemory, bytes: number, use: (tensor: Tensor) => void): void {
    const context = new GraphContext(4);
    try {
      use(this.placed(context, TensorType.F32, [bytes / 4, 1, 1, 1], memory, 0));
    } finally {
      context.dispose();
    }
  }

  /**
   * Allocates device memory for all tensors of the context that have none; freed by the returned function.
   * @param what names them @throws MODEL_TOO_LARGE, with a Shortage
   */
  allocate(context: GraphContext, what: string): () => void {
    const calls = this.#ggml;
    const account = this.#account;
    const type = calls.backend_get_default_buffer_type(this.#handle);
    const bytes = Number(calls.backend_alloc_ctx_tensors_from_buft_size(context.address, type));
    const attempt = () => calls.backend_alloc_ctx_tensors(context.address, this.#handle);
    const buffer = account.take(bytes, what, attempt);
    return () => {
      calls.backend_buffer_free(buffer);
      account.giveBack(bytes);
    };
  }

  /** @param graphSize upper bound of a graph's tensors */
  allocator(graphSize = 1 << 17): GraphAllocator {
    return this.#cpuFallback === undefined
      ? plainAllocator(this.#ggml, this.#account, this.#handle, this.name)
      : splittingAllocator(this.#ggml, this.#account, [this.#handle, this.#cpuFallback], graphSize, this.name);
  }

  /** One that measures what it computes, node by node, on the event loop's thread. For benchmarks; CPU only. */
  timingAllocator(): { readonly allocator: GraphAllocator; readonly times: NodeTimes } {
    const times = new NodeTimes(this.#ggml, this.#handle);
    return { allocator: plainAllocator(this.#ggml, this.#account, this.#handle, this.name, times), times };
  }

  /** Copies data into a placed tensor. */
  write(tensor: Tensor, data: ArrayBufferView, offset = 0): void {
    if (offset + data.byteLength > byteSize(tensor)) {
      throw new BlockAttentionError(
        'COMPUTE_FAILED',
        `${data.byteLength} bytes at ${offset} do not fit into the tensor`,
      );
    }
    this.#ggml.backend_tensor_set(tensor.address, data, offset, data.byteLength);
  }

  /** Sets all bytes of a placed tensor to zero. */
  clear(tensor: Tensor): void {
    this.#ggml.backend_tensor_memset(tensor.address, 0, 0, byteSize(tensor));
  }

  /** Copies data out of a placed tensor. */
  read(tensor: Tensor, data: ArrayBufferView, offset = 0): void {
    if (offset + data.byteLength > byteSize(tensor)) {
      throw new BlockAttentionError('COMPUTE_FAILED', `${data.byteLength} bytes at ${offset} exceed the tensor`);
    }
    this.#ggml.backend_tensor_get(tensor.address, data, offset, data.byteLength);
  }

  dispose(): void {
    if (this.#disposed) return;
    this.#disposed = true;
    this.#uploads?.opened?.[Symbol.dispose]();
    this.#ggml.backend_free(this.#handle);
    if (this.#cpuFallback !== undefined) this.#ggml.backend_free(this.#cpuFallback);
    this.#pools?.free();
  }
}

interface Threads {
  readonly count: number;
  readonly adaptive: boolean;
}

function chooseThreads(option: BackendOptions['threads']): Threads {
  const set = process.env.BLOCK_ATTENTION_THREADS;
  const wanted = option ?? (set === undefined || set === '' || set === 'auto' ? 'auto' : Number(set));
  if (wanted === 'auto') return { count: Math.min(cpuBudget().threads, mostThreads), adaptive: true };
  if (!Number.isInteger(wanted) || wanted < 1 || wanted > mostThreads) {
    const name = option === undefined ? `BLOCK_ATTENTION_THREADS is ${set}` : `threads is ${wanted}`;
    throw new BlockAttentionError('INVALID_ARGUMENT', `${name}: give an integer from 1 to ${mostThreads}, or auto`);
  }
  return { count: wanted, adaptive: false };
}
