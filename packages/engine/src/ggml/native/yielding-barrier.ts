/**
 * Gives ggml's CPU library the native library's barrier (native/src/barrier.cpp), whose threads sleep where spinning
 * would keep the core from the thread that they wait for. Linux; once per process, before anything computes.
 *
 * Does nothing where the native library is absent, or a thread pool does not look as it expects.
 */
import koffi from 'koffi';
import { loadNativeKernel } from './native-kernel.ts';

interface BarrierCalls {
  fits(pool: bigint, threads: number, poll: number): number;
  install(inside: bigint): number;
  counts(out: BigInt64Array): void;
}

let calls: BarrierCalls | null | undefined;
/** Per library, by an address inside. */
const installed = new Map<bigint, boolean>();

function barrierCalls(): BarrierCalls | null {
  if (calls === undefined) {
    const path = loadNativeKernel()?.path;
    // Switched off, which may change, unlike what is built.
    if (path === undefined) return null;
    try {
      const library = koffi.load(path);
      calls = {
        fits: library.func('int32_t ba_barrier_fits(const void *pool, int32_t threads, uint32_t poll)'),
        install: library.func('int32_t ba_barrier_install(const void *inside)'),
        counts: library.func('void ba_barrier_counts(_Out_ int64_t *out)'),
      };
    } catch {
      calls = null;
    }
  }
  return calls;
}

/**
 * @param inside the address of a function of ggml's CPU library
 * @param pool one of its pools, new and idle, and what it was made with
 * @returns whether that library's threads yield
 */
export function installBarrier(
  inside: bigint,
  pool: bigint,
  made: { readonly threads: number; readonly poll: number },
): boolean {
  const known = installed.get(inside);
  if (known !== undefined) return known;
  const native = barrierCalls();
  if (native === null) return false;
  const done = native.fits(pool, made.threads, made.poll) === 1 && native.install(inside) === 1;
  installed.set(inside, done);
  return done;
}

/** How often threads of this process have waited for others, and of these slept. */
export function barrierWaits(): { readonly waits: number; readonly sleeps: number } {
  const counts = new BigInt64Array(3);
  barrierCalls()?.counts(counts);
  return { waits: Number(counts[0]), sleeps: Number(counts[1]) };
}
