/**
 * A device that computes graphs: the CPU, or a GPU when its platform package is installed.
 *
 * Owns threads and buffers; knows no model. One graph computes at a time per backend: callers queue (engine/runner).
 * Computing happens on a thread of its own, so the event loop stays free.
 */
import { availableParallelism } from 'node:os';
import koffi from 'koffi';
import { BlockAttentionError } from '../errors.ts';
import { type Bindings, bindings } from './bindings.ts';
import type { GraphContext } from './graph-context.ts';
import { type Device, library, loadLibrary } from './library.ts';
import { byteSize, type Shape, type Tensor, type TensorType } from './tensor.ts';

const deviceTypes = { cpu: 0, gpu: 1, integrated: 2 } as const;
/** A buffer over all addresses of the process, so that any host memory can back a tensor. Aligned as ggml asks. */
const hostBase = 4096n;
const hostBytes = 1n << 47n;

export interface BackendOptions {
  readonly device?: Device | undefined;
  /** CPU threads. Defaults to the number of cores. */
  readonly threads?: number | undefined;
}

/** Scratch memory for the intermediate tensors of graphs; grows to the largest it has seen. */
export interface GraphAllocator {
  /** Places every tensor of the graph. Invalidates placements of graphs allocated before, unless they fitted too. */
  place(graph: GraphContext): void;
  readonly bytes: number;
  dispose(): void;
}

export class Backend {
  readonly #ggml: Bindings;
  readonly #handle: bigint;
  readonly #hostBuffer: bigint | null;
  readonly #bufferType: bigint;
  readonly #threadpool: { readonly pool: bigint; free(pool: bigint): void } | undefined;
  /** Name of the device, e.g. `CPU`, `CUDA0`. */
  readonly name: string;
  readonly description: string;
  readonly isCpu: boolean;
  readonly threads: number;
  #disposed = false;

  private constructor(handle: bigint, device: bigint, threads: number) {
    this.#ggml = bindings();
    this.#handle = handle;
    this.name = this.#ggml.backend_dev_name(device);
    this.description = this.#ggml.backend_dev_description(device);
    this.isCpu = this.#ggml.backend_dev_type(device) === deviceTypes.cpu;
    this.threads = threads;
    this.#bufferType = this.#ggml.backend_get_default_buffer_type(handle);
    this.#hostBuffer = this.isCpu
      ? this.#ggml.backend_dev_buffer_from_host_ptr(device, hostBase, hostBytes, 0)
      : null;
    this.#threadpool = this.isCpu ? attachThreadpool(this.#ggml, handle, device, threads) : undefined;
  }

  /**
   * Opens a device. @throws BACKEND_UNAVAILABLE when its package or driver is missing; INVALID_ARGUMENT for a thread
   * count that is not an integer from 1 to 512.
   */
  static async open(options: BackendOptions = {}): Promise<Backend> {
    const wanted = options.device ?? 'auto';
    const threads = options.threads ?? availableParallelism();
    if (!Number.isInteger(threads) || threads < 1 || threads > 512) {
      throw new BlockAttentionError('INVALID_ARGUMENT', `threads is ${threads}: give an integer from 1 to 512`);
    }
    await loadLibrary(wanted);
    const { ggml, flavour } = library();
    const count = ggml.func('size_t ggml_backend_dev_count()') as () => number;
    const get = ggml.func('void *ggml_backend_dev_get(size_t i)') as (index: number) => bigint;
    const calls = bindings();
    const devices = Array.from({ length: Number(count()) }, (_, index) => get(index));
    const isGpu = (device: bigint) => calls.backend_dev_type(device) !== deviceTypes.cpu;
    const chosen =
      wanted === 'cpu'
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
    return new Backend(handle, chosen, threads);
  }

  /** A tensor over host memory that the caller owns and keeps valid. CPU only. */
  hostTensor(context: GraphContext, type: TensorType, ne: Shape, address: bigint): Tensor {
    if (this.#hostBuffer === null) {
      throw new BlockAttentionError('COMPUTE_FAILED', `${this.name} cannot read host memory: upload the data`);
    }
    const tensor = context.tensor(type, ...ne);
    this.#ggml.backend_tensor_alloc(this.#hostBuffer, tensor.address, address);
    return tensor;
  }

  /** Allocates device memory for all tensors of the context that have none; freed by the returned function. */
  allocate(context: GraphContext): () => void {
    const buffer = this.#ggml.backend_alloc_ctx_tensors(context.address, this.#handle);
    if (buffer === null) {
      throw new BlockAttentionError('MODEL_TOO_LARGE', `${this.name} has not enough memory for these tensors`);
    }
    return () => this.#ggml.backend_buffer_free(buffer);
  }

  allocator(): GraphAllocator {
    const calls = this.#ggml;
    const handle = calls.gallocr_new(this.#bufferType);
    let disposed = false;
    return {
      place(context) {
        if (!calls.gallocr_alloc_graph(handle, context.graph)) {
          throw new BlockAttentionError('MODEL_TOO_LARGE', 'not enough memory for intermediate results: shorten the prompt');
        }
      },
      get bytes() {
        return Number(calls.gallocr_get_buffer_size(handle, 0));
      },
      dispose() {
        if (disposed) return;
        disposed = true;
        calls.gallocr_free(handle);
      },
    };
  }

  /** Copies data into a placed tensor. */
  write(tensor: Tensor, data: ArrayBufferView, offset = 0): void {
    if (offset + data.byteLength > byteSize(tensor)) {
      throw new BlockAttentionError('COMPUTE_FAILED', `${data.byteLength} bytes at ${offset} do not fit into the tensor`);
    }
    this.#ggml.backend_tensor_set(tensor.address, data, offset, data.byteLength);
  }

  /** Copies data out of a placed tensor. */
  read(tensor: Tensor, data: ArrayBufferView, offset = 0): void {
    if (offset + data.byteLength > byteSize(tensor)) {
      throw new BlockAttentionError('COMPUTE_FAILED', `${data.byteLength} bytes at ${offset} exceed the tensor`);
    }
    this.#ggml.backend_tensor_get(tensor.address, data, offset, data.byteLength);
  }

  /** Computes a placed graph. */
  async compute(context: GraphContext): Promise<void> {
    const status = await new Promise<number>((resolve, reject) => {
      this.#ggml.backend_graph_compute.async(this.#handle, context.graph, (error: unknown, result: number) => {
        if (error) reject(error instanceof Error ? error : new Error(String(error)));
        else resolve(result);
      });
    });
    if (status !== 0) {
      throw new BlockAttentionError('COMPUTE_FAILED', `${this.name} reported status ${status} while computing`);
    }
  }

  dispose(): void {
    if (this.#disposed) return;
    this.#disposed = true;
    this.#ggml.backend_free(this.#handle);
    this.#threadpool?.free(this.#threadpool.pool);
  }
}

/**
 * Keeps worker threads between computes: without a pool ggml starts and joins them for every graph, once per token.
 */
function attachThreadpool(calls: Bindings, backend: bigint, device: bigint, threads: number) {
  const registry = calls.backend_dev_backend_reg(device);
  const resolve = <F>(name: string, result: string, parameters: string[]): F | undefined => {
    const address = calls.backend_reg_get_proc_address(registry, name);
    return address === null ? undefined : (koffi.decode(address, koffi.proto(result, parameters)) as F);
  };
  type Attach = (backend: bigint, pool: bigint) => void;
  const setThreads = resolve<(backend: bigint, n: number) => void>('ggml_backend_set_n_threads', 'void', ['void *', 'int']);
  setThreads?.(backend, threads);
  const create = resolve<(params: bigint) => bigint | null>('ggml_threadpool_new', 'void *', ['void *']);
  const free = resolve<(pool: bigint) => void>('ggml_threadpool_free', 'void', ['void *']);
  const attach = resolve<Attach>('ggml_backend_cpu_set_threadpool', 'void', ['void *', 'void *']);
  if (!create || !free || !attach) return undefined;
  const params = koffi.alloc('uint8_t', 1024) as bigint;
  const init = library().base.func('void ggml_threadpool_params_init(void *params, int n)') as (
    p: bigint,
    n: number,
  ) => void;
  init(params, threads);
  const pool = create(params);
  koffi.free(params);
  if (pool === null) return undefined;
  attach(backend, pool);
  return { pool, free };
}
