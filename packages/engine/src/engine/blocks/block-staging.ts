/**
 * Blocks on their way to a device: as they are stored, in memory of the device, until a graph has made rows of them.
 *
 * Where the device copies while it computes, blocks that are needed next are sent ahead, beside whatever computes. Areas are
 * taken from those who sent ahead by whoever has the device to himself: nobody waits for two things. Invariant: an area is
 * not freed while bytes are on their way into it.
 */
import type { Backend, OwnedMemory, TensorMemory } from '../../ggml/device/backend.ts';
import type { NativeMemory } from '../../ggml/ffi/memory.ts';
import type { BlockKey } from '../../store/index.ts';

/** While one becomes rows, the next is on its way. */
const mostAreas = 2;

export interface StoredBytes {
  readonly key: BlockKey;
  /** Pinned until it has arrived. */
  readonly memory: NativeMemory;
}

interface Area {
  readonly memory: OwnedMemory;
  /** What is in it, or on its way; undefined for nothing that is wanted. */
  key: BlockKey | undefined;
  /** Settles when nothing is on its way any more; rejects where that failed. */
  arrived: Promise<void>;
  moving: boolean;
}

export class BlockStaging {
  readonly #backend: Backend;
  /** Least recently taken first. */
  #areas: Area[] = [];

  constructor(backend: Backend) {
    this.#backend = backend;
  }

  /** Bytes of the areas that could be freed now. */
  get spareBytes(): number {
    return this.#areas.reduce((sum, { memory, moving }) => sum + (moving ? 0 : memory.bytes), 0);
  }

  /**
   * Begins to copy blocks, in order, as far as there are areas that nobody uses. Does nothing where the device has none yet, or
   * cannot copy beside computing.
   * @returns what ends when they have arrived, and lets go of those that were not taken. It never fails.
   */
  ahead(blocks: readonly StoredBytes[]): () => Promise<void> {
    const uploads = this.#backend.openUploads;
    const sent: { readonly area: Area; readonly key: BlockKey }[] = [];
    for (const { key, memory } of blocks) {
      if (uploads === undefined || this.#areas.some((area) => area.key === key)) continue;
      const area = this.#areas.find((one) => one.key === undefined && !one.moving && one.memory.bytes >= memory.size);
      if (area === undefined) break;
      this.#send(area, key, uploads.copy(memory, area.memory));
      sent.push({ area, key });
    }
    return async () => {
      for (const { area, key } of sent) {
        await area.arrived.catch(() => undefined);
        if (area.key === key) area.key = undefined;
      }
    };
  }

  #send(area: Area, key: BlockKey, arrived: Promise<void>): void {
    area.key = key;
    area.moving = true;
    area.arrived = arrived.finally(() => {
      area.moving = false;
    });
    area.arrived.catch(() => undefined);
  }

  /**
   * Where a block lies, once it has arrived; valid until leave(). For whoever has the device to himself.
   * @throws MODEL_TOO_LARGE, with a Shortage, when the device has no room for it
   */
  async take({ key, memory }: StoredBytes): Promise<TensorMemory> {
    const sent = this.#areas.find((area) => area.key === key);
    if (sent !== undefined) {
      await sent.arrived;
      return sent.memory;
    }
    const area = await this.#areaOf(memory.size);
    const uploads = this.#backend.uploads();
    if (uploads === undefined) {
      this.#backend.upload(area.memory, memory.bytes);
      area.key = key;
    } else {
      this.#send(area, key, uploads.copy(memory, area.memory));
      await area.arrived;
    }
    return area.memory;
  }

  /** The block has become rows, or never will. */
  leave(key: BlockKey): void {
    for (const area of this.#areas) if (area.key === key) area.key = undefined;
  }

  /** An area of at least so many bytes, in which nothing is wanted. */
  async #areaOf(bytes: number): Promise<Area> {
    const most = this.#backend.uploads() === undefined ? 1 : mostAreas;
    if (this.#areas.length >= most) {
      const fitting = this.#areas.find((one) => one.key === undefined && !one.moving && one.memory.bytes >= bytes);
      const old = fitting ?? this.#areas[0];
      if (old !== undefined) {
        this.#areas.splice(this.#areas.indexOf(old), 1);
        await old.arrived.catch(() => undefined);
        if (old.memory.bytes >= bytes) {
          old.key = undefined;
          this.#areas.push(old);
          return old;
        }
        old.memory.free();
      }
    }
    const memory = this.#backend.allocateMemory(bytes, 'a block on its way');
    const area = { memory, key: undefined, arrived: Promise.resolve(), moving: false };
    this.#areas.push(area);
    return area;
  }

  /** Frees the areas into which nothing moves. */
  free(): void {
    const moving = this.#areas.filter((area) => area.moving);
    for (const area of this.#areas) if (!area.moving) area.memory.free();
    this.#areas = moving;
  }
}
