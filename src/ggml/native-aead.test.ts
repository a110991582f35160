import { createCipheriv, createDecipheriv, randomBytes } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { loadLibrary } from './library.ts';
import { allocateMemory, type NativeMemory, tailOf } from './memory.ts';
import { type NativeAead, nativeAead } from './native-aead.ts';

const key = randomBytes(32);
const nonce = randomBytes(12);
const fields = randomBytes(152);
const owned: NativeMemory[] = [];
let aead: NativeAead | undefined;

/** Native memory that holds these bytes. */
function place(bytes: Uint8Array): NativeMemory {
  const memory = allocateMemory(bytes.byteLength);
  memory.bytes.set(bytes);
  owned.push(memory);
  return memory;
}

function poly1305(data: Uint8Array): Buffer {
  const cipher = createCipheriv('chacha20-poly1305', key, nonce, { authTagLength: 16 });
  cipher.setAAD(data, { plaintextLength: 0 }).final();
  return cipher.getAuthTag();
}

function seal(parts: readonly Uint8Array[]): { readonly sealed: Buffer[]; readonly tag: Buffer } {
  const cipher = createCipheriv('aes-256-gcm', key, nonce).setAAD(fields);
  const sealed = parts.map((part) => cipher.update(part));
  cipher.final();
  return { sealed, tag: cipher.getAuthTag() };
}

beforeAll(async () => {
  await loadLibrary();
  aead = await nativeAead();
});

afterAll(() => {
  for (const memory of owned) memory.free();
});

test.runIf(process.platform === 'linux')('Node on Linux has the functions', () => {
  expect(aead).toBeDefined();
});

test('BLOCK_ATTENTION_NATIVE=0 switches it off', async () => {
  vi.stubEnv('BLOCK_ATTENTION_NATIVE', '0');
  expect(await nativeAead()).toBeUndefined();
  vi.unstubAllEnvs();
  expect(await nativeAead()).toBe(aead);
});

describe.runIf(process.platform !== 'win32')('computes what node:crypto does', () => {
  const calls = () => aead as NativeAead;

  test.each([1, 15, 16, 17, 4096, 1_000_003])('Poly1305 of %d bytes, wherever they lie', async (size) => {
    const data = randomBytes(size);
    const expected = poly1305(data);
    expect(await calls().authenticate(key, nonce, data)).toEqual(expected);
    expect(await calls().authenticate(key, nonce, place(data))).toEqual(expected);
    const behind = tailOf(place(Buffer.concat([Buffer.alloc(64), data])), 64);
    expect(await calls().authenticate(key, nonce, behind)).toEqual(expected);
  });

  test('more bytes than one call of OpenSSL takes', async () => {
    const data = allocateMemory(2 ** 26 + 21);
    data.bytes.fill(9);
    expect(await calls().authenticate(key, nonce, data)).toEqual(poly1305(data.bytes));
    data.free();
  });

  test('many at once keep apart', async () => {
    const all = Array.from({ length: 200 }, (_, at) => randomBytes(1000 + 37 * at));
    const tags = await Promise.all(all.map((data) => calls().authenticate(key, nonce, place(data))));
    expect(tags).toEqual(all.map(poly1305));
  });

  test('AES-256-GCM in parts; a wrong bit anywhere is refused, and the next call is none the worse', async () => {
    const [head, body] = [randomBytes(44), randomBytes(100_001)];
    const { sealed, tag } = seal([head, body]);
    const [sealedHead, sealedBody] = sealed as [Buffer, Buffer];
    const target = allocateMemory(body.byteLength, 'unset');
    owned.push(target);
    const opened = Buffer.alloc(head.byteLength);
    const open = (change: 'nothing' | 'key' | 'nonce' | 'fields' | 'tag' | 'head' | 'body') => {
      const part = (name: typeof change, bytes: Uint8Array) => {
        const copy = Buffer.from(bytes);
        if (name === change) copy[7] = (copy[7] ?? 0) ^ 4;
        return copy;
      };
      return calls().decrypt(
        { key: part('key', key), nonce: part('nonce', nonce), fields: part('fields', fields), tag: part('tag', tag) },
        [
          { from: part('head', sealedHead), to: opened },
          { from: place(part('body', sealedBody)), to: target },
        ],
      );
    };
    for (const change of ['key', 'nonce', 'fields', 'tag', 'head', 'body'] as const) {
      expect(await open(change), change).toBe(false);
    }
    expect(await open('nothing')).toBe(true);
    expect(opened).toEqual(head);
    expect(Buffer.from(target.bytes)).toEqual(body);
    const decipher = createDecipheriv('aes-256-gcm', key, nonce).setAAD(fields).setAuthTag(tag);
    expect(Buffer.concat([...sealed.map((part) => decipher.update(part)), decipher.final()])).toEqual(
      Buffer.concat([head, body]),
    );
  });
});
