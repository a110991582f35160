import { createCipheriv, createDecipheriv, randomBytes } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { loadLibrary } from '../ffi/library.ts';
import { allocateMemory, type NativeMemory } from '../ffi/memory.ts';
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

  test('more bytes than one call of OpenSSL takes, wherever they lie', async () => {
    const body = Buffer.alloc(2 ** 26 + 21, 9);
    const { sealed, tag } = seal([body]);
    const target = allocateMemory(body.byteLength, 'unset');
    owned.push(target);
    const from = [...sealed, place(sealed[0] ?? body)];
    for (const part of from)
      expect(await calls().decrypt({ key, nonce, fields, tag }, [{ from: part, to: target }])).toBe(true);
    expect(Buffer.compare(target.bytes, body)).toBe(0);
  });

  test('many at once keep apart', async () => {
    const all = Array.from({ length: 200 }, (_, at) => randomBytes(1000 + 37 * at));
    const opened = await Promise.all(
      all.map(async (data) => {
        const { sealed, tag } = seal([data]);
        const to = Buffer.alloc(data.byteLength);
        const whole = await calls().decrypt({ key, nonce, fields, tag }, [{ from: place(sealed[0] ?? data), to }]);
        return whole ? to : undefined;
      }),
    );
    expect(opened).toEqual(all);
  });

  test('in parts; a wrong bit anywhere is refused, and the next call is none the worse', async () => {
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
