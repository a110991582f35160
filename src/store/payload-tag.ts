/**
 * The checksum of a stored payload: Poly1305 under a key made of the block's header.
 *
 * Poly1305 runs at 12 GB/s on one core here, SHA-256 at 1.8: checking 8K tokens of a small model takes 15 ms instead
 * of 100. Its chance to miss a random corruption is below 2^-100, and the key ties payload and header together. It
 * does not stop a forger, who could compute it as well: the sealed format (seal.ts) does.
 */
import { createCipheriv, createHash } from 'node:crypto';

export const tagBytes = 16;
const nonce = Buffer.alloc(12);

export class PayloadTag {
  readonly #cipher;

  /** `binding`: bytes that the tag must depend on besides the payload. */
  constructor(binding: readonly Uint8Array[]) {
    const key = createHash('sha256');
    for (const bytes of binding) key.update(bytes);
    this.#cipher = createCipheriv('chacha20-poly1305', key.digest(), nonce, { authTagLength: tagBytes });
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
