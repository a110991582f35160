/**
 * Where the store gets memory that attention can read. The one place of the store that touches the native side.
 */
import { allocateMemory, mapFile, type NativeMemory } from '../../ggml/ffi/memory.ts';

export interface MemorySource {
  /** Memory of `size` bytes, aligned to 64, for contents that fill it: until then it holds anything. */
  allocate(size: number): NativeMemory;
  /**
   * A file as read-only memory; the mapping outlives the file's name. It may become `damaged`: whoever has read it asks.
   * Throws the system's error.
   */
  mapFile(path: string): NativeMemory;
}

export const nativeMemory: MemorySource = {
  allocate: (size) => allocateMemory(size, 'unset'),
  mapFile: (path) => mapFile(path, { guarded: true }),
};
