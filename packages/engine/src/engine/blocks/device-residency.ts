/**
 * Copies of blocks in the memory of a device that cannot read the host's: a cache over the store, by block key.
 *
 * Does nothing on the CPU. Copies in use are never evicted; the least recently used of the others make room, and when
 * nothing can, the budget is exceeded rather than a request refused. Invariant: a copy's uses equal the handles placed
 * and not yet released.
 */
import type { Backend, OwnedMemory, TensorMemory } from '../../ggml/device/backend.ts';
import { shortageOf } from '../../ggml/device/memory-account.ts';
import type { BlockHandle, BlockKey } from '../../store/index.ts';

const defaultBytes = 2 ** 30;

interface Copy {
  readonly memory: OwnedMemory;
  uses: number;
}

export class DeviceResidency {
  readonly #backend: Backend;
  readonly #budget: number;
  /** Least recently used first. */
  readonly #copies = new Map<BlockKey, Copy>();
  readonly #placed = new Set<BlockHandle>();
  #bytes = 0;

  constructor(backend: Backend, budgetBytes = defaultBytes) {
    this.#backend = backend;
    this.#budget = budgetBytes;
  }

  get bytes(): number {
    return this.#bytes;
  }

  /** The device copy of a pinned block, made now if there is none. @throws MODEL_TOO_LARGE */
  place(handle: BlockHandle): TensorMemory {
    let copy = this.#copies.get(handle.key);
    if (copy === undefined) {
      const bytes = handle.memory.size;
      this.#makeRoom(bytes, this.#budget);
      const memory = this.#allocate(bytes);
      try {
        this.#backend.upload(memory, handle.memory.bytes);
      } catch (error) {
        memory.free();
        throw error;
      }
      copy = { memory, uses: 0 };
      this.#bytes += bytes;
    }
    this.#copies.delete(handle.key);
    this.#copies.set(handle.key, copy);
    if (!this.#placed.has(handle)) {
      this.#placed.add(handle);
      copy.uses += 1;
    }
    return copy.memory;
  }

  /** Ends the use of a handle's copy. Handles that were never placed are fine. */
  release(handle: BlockHandle): void {
    if (!this.#placed.delete(handle)) return;
    const copy = this.#copies.get(handle.key);
    if (copy) copy.uses -= 1;
    this.#makeRoom(0, this.#budget);
  }

  /** When the device has less left than the budget, no copy stays that is not in use. */
  #allocate(bytes: number): OwnedMemory {
    try {
      return this.#backend.allocateMemory(bytes, 'a copy of a block');
    } catch (error) {
      const before = this.#bytes;
      if (shortageOf(error) !== undefined) this.#makeRoom(bytes, 0);
      if (this.#bytes === before) throw error;
      return this.#backend.allocateMemory(bytes, 'a copy of a block');
    }
  }

  #makeRoom(bytes: number, budget: number): void {
    for (const [key, copy] of this.#copies) {
      if (this.#bytes + bytes <= budget) return;
      if (copy.uses > 0) continue;
      this.#copies.delete(key);
      this.#bytes -= copy.memory.bytes;
      copy.memory.free();
    }
  }

  dispose(): void {
    for (const { memory } of this.#copies.values()) memory.free();
    this.#copies.clear();
    this.#bytes = 0;
  }
}
