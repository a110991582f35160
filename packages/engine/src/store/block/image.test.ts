import { expect, test } from 'vitest';
import type { BlockRequest } from '../block-store.ts';
import { block, fill } from '../testing/blocks.ts';
import { createImage, headerBytesOf, imageBytesOf, mismatch, payloadIsWhole, readHeader, unseal } from './image.ts';
import { createSeal, parseStoreKey } from './seal.ts';

const seal = createSeal(Buffer.alloc(32, 1));

async function imageOf(request: BlockRequest, sealed = false): Promise<Buffer> {
  const payload = new Uint8Array(request.bytes);
  fill(payload, 5);
  const image = await createImage(
    { request, payload, encodeMs: 12.5, tenant: '' },
    { tenantTag: Buffer.alloc(16, 0xab), seal: sealed ? seal : undefined },
  );
  return Buffer.concat([image.header, image.payload]);
}

test('what was written is what is read; the payload starts on a page', async () => {
  const request = { ...block(5, 3_000_000), model: 'cd'.repeat(32) };
  const image = await imageOf(request);
  const header = readHeader(image);
  if (typeof header === 'string') throw new Error(header);
  expect(header).toMatchObject({
    key: request.key,
    model: request.model,
    tenantTag: 'ab'.repeat(16),
    headerBytes: 4096,
    payloadBytes: 3_000_000,
    tokenCount: 6,
    sealed: false,
    encodeMs: 12.5,
  });
  expect(Date.now() - header.createdAtMs).toBeLessThan(10_000);
  expect(image.byteLength).toBe(imageBytesOf(request));
  expect(mismatch(header, image, request, undefined)).toBeUndefined();
  expect(await payloadIsWhole(image, header)).toBe(true);
});

test('long blocks get a longer header, in whole pages', async () => {
  expect([0, 978, 979, 2003].map((count) => headerBytesOf(count))).toEqual([4096, 4096, 8192, 12288]);
  const tokens = Int32Array.from({ length: 5000 }, (_, at) => at - 7);
  const request = { ...block(1, 10), tokens };
  const image = await imageOf(request);
  const header = readHeader(image);
  expect(header).toMatchObject({ headerBytes: 20480, tokenCount: 5000 });
  if (typeof header === 'string') return;
  expect(mismatch(header, image, request, undefined)).toBeUndefined();
  const others = { ...request, tokens: tokens.map((token, at) => (at === 4999 ? 0 : token)) };
  expect(mismatch(header, image, others, undefined)).toBe('foreign');
});

test('every single bit counts, in header, padding and payload', async () => {
  const request = block(5, 40);
  for (const sealed of [false, true]) {
    const image = await imageOf(request, sealed);
    for (let at = 0; at < image.byteLength; at += at < 300 || at >= 4096 ? 1 : 97) {
      const damaged = Buffer.from(image);
      damaged[at] = (damaged[at] ?? 0) ^ (1 << (at % 8));
      const header = readHeader(damaged);
      if (typeof header === 'string') continue;
      const whole = sealed ? await unseal(damaged, header, seal) : await payloadIsWhole(damaged, header);
      expect([at, whole]).toEqual([at, false]);
    }
  }
});

test('two sealings of one block have nothing in common, and open with the key alone', async () => {
  const request = block(5, 200_000);
  const [one, two] = [await imageOf(request, true), await imageOf(request, true)];
  expect(one.subarray(4096, 4160).equals(two.subarray(4096, 4160))).toBe(false);
  const header = readHeader(one);
  if (typeof header === 'string') throw new Error(header);
  const target = new Uint8Array(200_000);
  expect(await unseal(one, header, seal, { target, tokens: request.tokens })).toBe(true);
  const plain = new Uint8Array(200_000);
  fill(plain, 5);
  expect(Buffer.from(target).equals(plain)).toBe(true);
  expect(await unseal(one, header, createSeal(Buffer.alloc(32, 2)))).toBe(false);
  expect(await unseal(one, header, seal, { tokens: Int32Array.of(1) })).toBe(false);
  expect(mismatch(header, one, request, undefined)).toBe('sealed');
  expect(mismatch(header, one, request, createSeal(Buffer.alloc(32, 2)))).toBe('other-store-key');
});

test('store keys are 32 bytes, and are not repeated in errors', () => {
  const key = Buffer.alloc(32, 0xfe);
  expect(parseStoreKey(`${key.toString('hex')}\n`)).toEqual(key);
  expect(parseStoreKey(key.toString('base64'))).toEqual(key);
  expect(parseStoreKey(key.toString('base64url'))).toEqual(key);
  for (const wrong of ['', 'hunter2hunter2', 'ff'.repeat(31), `${'ff'.repeat(32)}0`]) {
    expect(() => parseStoreKey(wrong)).toThrow(expect.objectContaining({ code: 'INVALID_ARGUMENT' }));
    if (wrong !== '') expect(() => parseStoreKey(wrong)).not.toThrow(new RegExp(wrong));
  }
  expect(() => createSeal(Buffer.alloc(16))).toThrow(/16 bytes/);
});
