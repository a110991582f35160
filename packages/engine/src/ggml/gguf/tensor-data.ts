/**
 * The bytes of a model's tensors, its files mapped, as a view for each: the one way to read weights from JavaScript.
 *
 * Never as a part of one view of the whole file: V8 of Node 20 makes none of more than 4 GiB. Valid until disposed.
 */
import { constants } from 'node:buffer';
import { BlockAttentionError } from '../../errors.ts';
import { mapFile, type NativeMemory, viewOf } from '../ffi/memory.ts';
import { dequantize } from '../graph/quantize.ts';
import type { GgufTensor } from './gguf-file.ts';

type Entry = Pick<GgufTensor, 'name' | 'type' | 'ne' | 'part' | 'offset' | 'bytes'>;
type Place = Pick<Entry, 'part' | 'offset'>;

export class TensorData implements Disposable {
  readonly #paths: readonly string[];
  readonly #mappings: NativeMemory[] = [];

  /**
   * @param paths the file, or all files of a model
   * @param options `guarded`: a file that is truncated meanwhile does not end the process, but is `damaged`
   * @throws the system's error when a file cannot be opened; MODEL_INVALID when it is empty
   */
  constructor(paths: string | readonly string[], options: { readonly guarded?: boolean } = {}) {
    this.#paths = typeof paths === 'string' ? [paths] : paths;
    try {
      for (const path of this.#paths) this.#mappings.push(mapFile(path, options));
    } catch (error) {
      this[Symbol.dispose]();
      throw error;
    }
  }

  /** Whether a file has lost a part that was read since. */
  get damaged(): boolean {
    return this.#mappings.some((mapping) => mapping.damaged === true);
  }

  /** Where a tensor lies in memory. */
  addressOf({ part = 0, offset }: Place): bigint {
    const mapping = this.#mappings[part];
    if (mapping === undefined) throw new Error(`a tensor of file ${part}, of ${this.#mappings.length} that are mapped`);
    return mapping.address + BigInt(offset);
  }

  /**
   * As they lie in the file.
   * @throws MODEL_TOO_LARGE for a tensor of more bytes than a view can have
   */
  bytes(entry: Place & Pick<Entry, 'name' | 'bytes'>): Uint8Array {
    const { name, part = 0, bytes } = entry;
    if (bytes > constants.MAX_LENGTH) {
      throw new BlockAttentionError(
        'MODEL_TOO_LARGE',
        `${this.#paths[part]}: tensor ${name} has ${bytes} bytes, Node ${process.versions.node} views ${constants.MAX_LENGTH}: take a smaller quantisation, or a newer Node`,
      );
    }
    return viewOf({ address: this.addressOf(entry), size: bytes });
  }

  /** In f32, a copy. */
  values(entry: Entry): Float32Array {
    return dequantize(entry.type, this.bytes(entry), entry.ne[0]);
  }

  [Symbol.dispose](): void {
    for (const mapping of this.#mappings.splice(0)) mapping.free();
  }
}
