/** Runs a native function on a worker thread of koffi's, as a promise: computing never blocks the event loop. */
import type { KoffiFunc } from 'koffi';

/**
 * Buffers passed to the function are kept alive until it returns, but must not be touched meanwhile.
 * Never pass a function that may call back into JavaScript.
 */
export function call<A extends unknown[], R>(fn: KoffiFunc<(...args: A) => R>, ...args: A): Promise<R> {
  return new Promise((resolve, reject) => {
    fn.async(...args, (error: unknown, result: R) => {
      if (error === null || error === undefined) resolve(result);
      else reject(error instanceof Error ? error : new Error('the native call failed', { cause: error }));
    });
  });
}
