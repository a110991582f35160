/**
 * Optional encryption at rest: AES-256-GCM over token ids and payload.
 *
 * Each block has a key of its own, derived from the store's key and the block's, so a random 96-bit nonce never
 * repeats under one key. The header's plain fields are authenticated with it. Keys are never written; a store's files
 * name theirs by a short digest, so that a file sealed with another key is told apart from a damaged one.
 */
import { type CipherGCM, createCipheriv, createDecipheriv, createHash, type DecipherGCM, hkdfSync } from 'node:crypto';
import { BlockAttentionError } from '../../errors.ts';
import type { BlockKey } from '../block-store.ts';

export interface Seal {
  /** Names the key: 8 bytes. */
  readonly id: Uint8Array;
  /** The key of one block: 32 bytes. */
  keyOf(key: BlockKey): Uint8Array;
  encrypt(key: BlockKey, nonce: Uint8Array, fields: Uint8Array): CipherGCM;
  decrypt(key: BlockKey, nonce: Uint8Array, fields: Uint8Array, tag: Uint8Array): DecipherGCM;
}

/**
 * Reads a store key: 64 hex digits, or base64 of 32 bytes.
 * @throws INVALID_ARGUMENT otherwise; the message does not repeat the key.
 */
export function parseStoreKey(text: string): Uint8Array {
  const trimmed = text.trim();
  const bytes = /^[0-9a-fA-F]{64}$/.test(trimmed)
    ? Buffer.from(trimmed, 'hex')
    : /^[A-Za-z0-9+/_-]{43}=?$/.test(trimmed)
      ? Buffer.from(trimmed, 'base64')
      : Buffer.alloc(0);
  if (bytes.byteLength === 32) return bytes;
  throw new BlockAttentionError(
    'INVALID_ARGUMENT',
    `the store key has ${trimmed.length} characters: give 32 random bytes as 64 hex digits or base64`,
  );
}

/** @throws INVALID_ARGUMENT when the key is not 32 bytes long. */
export function createSeal(storeKey: Uint8Array): Seal {
  if (storeKey.byteLength !== 32) {
    throw new BlockAttentionError('INVALID_ARGUMENT', `the store key has ${storeKey.byteLength} bytes: give 32`);
  }
  const secret = Buffer.from(storeKey);
  const keyOf = (key: BlockKey) =>
    Buffer.from(hkdfSync('sha256', secret, Buffer.from(key, 'hex'), 'block-attention seal 1', 32));
  return {
    id: createHash('sha256').update('block-attention store key id').update(secret).digest().subarray(0, 8),
    keyOf,
    encrypt(key, nonce, fields) {
      return createCipheriv('aes-256-gcm', keyOf(key), nonce).setAAD(fields);
    },
    decrypt(key, nonce, fields, tag) {
      const decipher = createDecipheriv('aes-256-gcm', keyOf(key), nonce, { authTagLength: 16 }).setAAD(fields);
      return decipher.setAuthTag(tag);
    },
  };
}
