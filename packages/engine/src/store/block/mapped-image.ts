/**
 * A block's image in a mapped file: its header, and its payload checked or decrypted.
 *
 * Payloads are read on threads of the pool, several at once, so that neither arithmetic nor pages that have to come from
 * disk hold up the event loop: checked by the native library (payload-sum.ts), decrypted by Node's OpenSSL
 * (ggml/native-aead.ts). Where those are not, they are read here, in slices.
 */
import { type NativeMemory, tailOf, viewOf } from '../../ggml/ffi/memory.ts';
import type { NativeAead } from '../../ggml/native/native-aead.ts';
import type { BlockRequest } from '../block-store.ts';
import { Prefetch } from '../disk/prefetch.ts';
import { payloadThreads, Slots } from '../memory/slots.ts';
import { fieldBytes, type ImageHeader, nativeUnseal, payloadIsWhole, readFields, readHeader, unseal } from './image.ts';
import type { Seal } from './seal.ts';

const concurrency = new Slots(payloadThreads);

export class MappedImage {
  /** The header's bytes, as far as there are so many. */
  readonly head: Uint8Array;
  /** A string is the reason of a refusal. */
  readonly header: ImageHeader | string;
  readonly #mapping: NativeMemory;
  readonly #path: string;
  readonly #aead: NativeAead | undefined;

  /**
   * The mapping stays the caller's.
   * @param aead decrypts payloads on other threads; undefined: this one does, in slices
   */
  constructor(mapping: NativeMemory, path: string, aead: NativeAead | undefined) {
    const fields = readFields(viewOf(mapping, fieldBytes));
    this.head = viewOf(mapping, typeof fields === 'string' ? fieldBytes : fields.headerBytes);
    this.header = readHeader(this.head, mapping.size, fields);
    this.#mapping = mapping;
    this.#path = path;
    this.#aead = aead;
  }

  /** The payload where it lies. It takes the mapping over. */
  payload({ headerBytes }: ImageHeader): NativeMemory {
    return tailOf(this.#mapping, headerBytes);
  }

  /** Whether the payload of an unsealed image is what was written. Reads all of it. */
  async payloadIsWhole(header: ImageHeader): Promise<boolean> {
    const prefetch = new Prefetch(this.#path, header.headerBytes);
    try {
      return await payloadIsWhole(this.head, header, this.payload(header), prefetch.before);
    } finally {
      await prefetch.close();
    }
  }

  /** Opens a sealed image into `target`, which holds nothing of use when this resolves to false. */
  async unseal(header: ImageHeader, seal: Seal, { tokens }: BlockRequest, target: NativeMemory): Promise<boolean> {
    const aead = this.#aead;
    if (aead === undefined) return unseal(this.#mapping.bytes, header, seal, { target: target.bytes, tokens });
    const from = this.payload(header);
    return concurrency.run(() => nativeUnseal(aead, this.head, header, seal, { from, to: target, tokens }));
  }
}
