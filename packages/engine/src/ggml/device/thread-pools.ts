/**
 * The threads of a CPU backend: kept between computes, as many as are wanted for the next one.
 *
 * Without a pool ggml starts and joins threads for every graph, once per token. A pool's idle threads look out for the
 * next graph for some milliseconds, also those that it does not need; so there is a pool for every number of threads
 * that was ever used, and those not attached sleep.
 */
import koffi from 'koffi';
import type { Bindings } from '../ffi/bindings.ts';
import { library } from '../ffi/library.ts';
import { installBarrier } from '../native/yielding-barrier.ts';

/** Offsets in `ggml_threadpool_params`, behind the mask of CPUs. */
const poolFields = { threads: 512, poll: 520 } as const;
const defaultPoll = 50;
/**
 * How long a worker spins for the next graph before it sleeps, in 131,072 pauses of the CPU: about 5 ms. Tokens come
 * closer together than that. ggml's default is 50: a core would be busy for a tenth of a second after every answer.
 */
const wantedPoll = 2;

interface PoolCalls {
  readonly create: (params: bigint) => bigint | null;
  readonly createAddress: bigint;
  readonly free: (pool: bigint) => void;
  readonly attach: (backend: bigint, pool: bigint | null) => void;
}

export class ThreadPools {
  readonly #backend: bigint;
  readonly #setThreads: ((backend: bigint, threads: number) => void) | undefined;
  readonly #calls: PoolCalls | undefined;
  readonly #pools = new Map<number, bigint>();
  #threads = 0;
  /** Whether threads that wait for others let them have their core. */
  yields = false;

  constructor(bindings: Bindings, backend: bigint, device: bigint) {
    this.#backend = backend;
    const registry = bindings.backend_dev_backend_reg(device);
    const addressOf = (name: string) => bindings.backend_reg_get_proc_address(registry, name);
    const resolve = <F>(name: string, result: string, parameters: string[]): F | undefined => {
      const address = addressOf(name);
      return address === null ? undefined : (koffi.decode(address, koffi.proto(result, parameters)) as F);
    };
    this.#setThreads = resolve('ggml_backend_set_n_threads', 'void', ['void *', 'int']);
    const createAddress = addressOf('ggml_threadpool_new');
    const create = resolve<PoolCalls['create']>('ggml_threadpool_new', 'void *', ['void *']);
    const free = resolve<PoolCalls['free']>('ggml_threadpool_free', 'void', ['void *']);
    const attach = resolve<PoolCalls['attach']>('ggml_backend_cpu_set_threadpool', 'void', ['void *', 'void *']);
    if (createAddress !== null && create && free && attach) this.#calls = { create, createAddress, free, attach };
  }

  /** Of the next compute. Nothing may be computing. */
  use(threads: number): void {
    if (threads === this.#threads) return;
    this.#threads = threads;
    this.#setThreads?.(this.#backend, threads);
    if (this.#calls === undefined) return;
    let pool = this.#pools.get(threads);
    if (pool === undefined) {
      pool = this.#create(this.#calls, threads);
      if (pool !== undefined) this.#pools.set(threads, pool);
    }
    // Attaching a pool puts the one before to sleep.
    this.#calls.attach(this.#backend, pool ?? null);
  }

  #create(calls: PoolCalls, threads: number): bigint | undefined {
    const params = koffi.alloc('uint8_t', 1024) as bigint;
    const init = library().base.func('void ggml_threadpool_params_init(void *params, int n)') as (
      p: bigint,
      n: number,
    ) => void;
    init(params, threads);
    // Left as they are where the structure is not the one known.
    const known = koffi.decode(params, poolFields.threads, 'int') === threads;
    const poll = known && koffi.decode(params, poolFields.poll, 'uint32_t') === defaultPoll ? wantedPoll : defaultPoll;
    if (poll === wantedPoll) koffi.encode(params, poolFields.poll, 'uint32_t', poll);
    const pool = calls.create(params);
    koffi.free(params);
    if (pool === null) return undefined;
    this.yields = installBarrier(calls.createAddress, pool, { threads, poll });
    return pool;
  }

  /** After the backend is freed. */
  free(): void {
    for (const pool of this.#pools.values()) this.#calls?.free(pool);
    this.#pools.clear();
  }
}
