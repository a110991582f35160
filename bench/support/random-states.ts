/** A store that fills blocks with random keys and values instead of having them encoded: time does not ask which. */

import { type BlockStore, createMemoryStore } from '@block-attention/engine/internal/store';
import { allocateMemory } from '../../packages/engine/src/ggml/ffi/memory.ts';

/** Halves between 1/16 and 1/8 of either sign, as many as repeat unseen. */
const halves = Uint16Array.from({ length: 65_521 }, (_, i) => 0x2c00 + ((i * 40_503) & 0x3ff) + ((i & 1) << 15));

/** For keys and values in f16. */
export function randomStore(): BlockStore {
  const store = createMemoryStore({ budgetBytes: 2 ** 40 });
  const acquire: BlockStore['acquire'] = (requests, _encode, options) =>
    store.acquire(
      requests,
      (missing, commit) => {
        for (const request of missing) {
          const memory = allocateMemory(request.bytes);
          const values = new Uint16Array(memory.bytes.buffer, memory.bytes.byteOffset, request.bytes >> 1);
          for (let at = 0; at < values.length; at += halves.length) {
            values.set(halves.subarray(0, Math.min(halves.length, values.length - at)), at);
          }
          commit(request, memory, 1);
        }
        return Promise.resolve();
      },
      options,
    );
  return {
    acquire,
    has: (key) => store.has(key),
    remove: (keys) => store.remove(keys),
    stats: () => store.stats(),
    checkIntegrity: () => store.checkIntegrity(),
    flush: () => store.flush(),
    close: () => store.close(),
    [Symbol.asyncDispose]: () => store.close(),
  };
}
