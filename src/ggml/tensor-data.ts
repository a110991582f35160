/**
 * The bytes of a GGUF file's tensors, mapped, as a view for each: the one way to read weights from JavaScript.
 *
 * Never as a part of one view of the whole file: V8 of Node 20 makes none of more than 4 GiB. Valid until disposed.
 */
import { constants } from 'node:buffer';
import { BlockAttentionError } from '../errors.ts';
import type { GgufTensor } from './gguf-file.ts';
import { mapFile, viewOf } from './memory.ts';
import { dequantize } from './quantize.ts';

type Entry = Pick<GgufTensor, 'name' | 'type' | 'ne' | 'offset' | 'bytes'>;

export class TensorData implements Disposable {
  /** Address of the file's first byte. */
  readonly address: bigint;
  readonly #path: string;
  readonly #free: () => void;
  readonly #isDamaged: () => boolean;

  /**
   * @param options `guarded`: a file that is truncated meanwhile does not end the process, but is `damaged`
   * @throws the system's error when the file cannot be opened; MODEL_INVALID when it is empty
   */
  constructor(path: string, options: { readonly guarded?: boolean } = {}) {
    const mapping = mapFile(path, options);
    this.#isDamaged = () => mapping.damaged === true;
    this.#path = path;
    this.address = mapping.address;
    this.#free = () => mapping.free();
  }

  /** Whether the file has lost a part that was read since. */
  get damaged(): boolean {
    return this.#isDamaged();
  }

  /**
   * As they lie in the file.
   * @throws MODEL_TOO_LARGE for a tensor of more bytes than a view can have
   */
  bytes({ name, offset, bytes }: Pick<Entry, 'name' | 'offset' | 'bytes'>): Uint8Array {
    if (bytes > constants.MAX_LENGTH) {
      throw new BlockAttentionError(
        'MODEL_TOO_LARGE',
        `${this.#path}: tensor ${name} has ${bytes} bytes, Node ${process.versions.node} views ${constants.MAX_LENGTH}: take a smaller quantisation, or a newer Node`,
      );
    }
    return viewOf({ address: this.address + BigInt(offset), size: bytes });
  }

  /** In f32, a copy. */
  values(entry: Entry): Float32Array {
    return dequantize(entry.type, this.bytes(entry), entry.ne[0]);
  }

  [Symbol.dispose](): void {
    this.#free();
  }
}
