/**
 * The checksum of a stored payload: Poly1305 under a key made of the block's header.
 *
 * Poly1305 runs at 5 to 12 GB/s on one core here, SHA-256 at 1.8: checking 8K tokens of a small model takes 15 to 40 ms
 * instead of 100, less when several cores check. Its chance to miss a random corruption is below 2^-100, and the key
 * ties payload and header together. It does not stop a forger, who could compute it as well: the sealed format (seal.ts)
 * does.
 */
import { createCipheriv, createHash } from 'node:crypto';
import type { Bytes, NativeAead } from '../ggml/native-aead.ts';

export const tagBytes = 16;
const nonce = Buffer.alloc(12);

export class PayloadTag {
  readonly #cipher;

  /** `binding`: bytes that the tag must depend on besides the payload. */
  constructor(binding: readonly Uint8Array[]) {
    this.#cipher = createCipheriv('chacha20-poly1305', keyOf(binding), nonce, { authTagLength: tagBytes });
  }

  update(payload: Uint8Array): void {
    this.#cipher.setAAD(payload, { plaintextLength: 0 });
  }

  /** The tag: 16 bytes. */
  digest(): Buffer {
    this.#cipher.final();
    return this.#cipher.getAuthTag();
  }
}

/** The same tag of a whole payload, computed off the calling thread. */
export function nativePayloadTag(aead: NativeAead, binding: readonly Uint8Array[], payload: Bytes): Promise<Buffer> {
  return aead.authenticate(keyOf(binding), nonce, payload);
}

function keyOf(binding: readonly Uint8Array[]): Buffer {
  const key = createHash('sha256');
  for (const bytes of binding) key.update(bytes);
  return key.digest();
}
