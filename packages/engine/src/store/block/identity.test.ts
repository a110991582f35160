import fc from 'fast-check';
import { expect, test } from 'vitest';
import { type BlockIdentity, blockKey, createIdentity, isBlockKey, modelDigest } from './identity.ts';

const base = createIdentity({
  weights: 'aa',
  adapter: 'lora',
  tokenizer: 'spm-1',
  rope: 'norm:10000',
  kvType: 'f16',
  format: '1',
  tenant: 'acme',
});
const tokens = Int32Array.of(1, 2, 3);

test('the key depends on every field and on the tokens, and on nothing else', () => {
  const key = blockKey(base, tokens);
  expect(isBlockKey(key)).toBe(true);
  expect(blockKey(createIdentity({ ...base }), Int32Array.of(1, 2, 3))).toBe(key);
  expect(blockKey({ ...base }, tokens)).toBe(key);
  const seen = new Set([key]);
  for (const name of Object.keys(base) as (keyof BlockIdentity)[]) {
    seen.add(blockKey(createIdentity({ ...base, [name]: `${base[name]}x` }), tokens));
  }
  seen.add(blockKey(base, Int32Array.of(1, 2)));
  seen.add(blockKey(base, Int32Array.of(1, 3, 2)));
  seen.add(blockKey(base, Int32Array.of(1, 2, 3, 0)));
  seen.add(blockKey(base, new Int32Array(0)));
  expect(seen.size).toBe(13);
});

test('keys of blocks encoded from nothing are what they were before there was another way', () => {
  expect(blockKey(base, tokens)).toBe('783d187c393aa42f8cdc83e237e9581c7578cfd9cb89455e2d0b328ab58bda07');
  expect(modelDigest(createIdentity({ ...base, encoding: 'behind 1 ab' }))).toBe(modelDigest(base));
});

test('a view into a larger buffer hashes its own tokens only', () => {
  const wide = Int32Array.of(9, 1, 2, 3, 9);
  expect(blockKey(base, wide.subarray(1, 4))).toBe(blockKey(base, tokens));
});

test('moving text across a field boundary never gives the same key', () => {
  const names = Object.keys(base) as (keyof BlockIdentity)[];
  const field = fc.string({ minLength: 1, maxLength: 6, unit: 'binary' });
  fc.assert(
    fc.property(fc.array(field, { minLength: 7, maxLength: 7 }), fc.nat(5), fc.nat(5), (values, boundary, cut) => {
      const build = (parts: readonly string[]) =>
        Object.fromEntries(names.map((name, at) => [name, parts[at] ?? ''])) as unknown as BlockIdentity;
      const shifted = [...values];
      const left = values[boundary] ?? '';
      const at = cut % left.length;
      shifted[boundary] = left.slice(0, at);
      shifted[boundary + 1] = left.slice(at) + (values[boundary + 1] ?? '');
      expect(blockKey(build(shifted), tokens)).not.toBe(blockKey(build(values), tokens));
    }),
    { numRuns: 300 },
  );
});

test('tenants that differ only in malformed text do not share blocks', () => {
  const one = createIdentity({ ...base, tenant: '\ud800' });
  const other = createIdentity({ ...base, tenant: '\udfff' });
  expect(blockKey(one, tokens)).not.toBe(blockKey(other, tokens));
});

test('the model digest ignores the tenant', () => {
  expect(modelDigest(createIdentity({ ...base, tenant: '' }))).toBe(modelDigest(base));
  expect(modelDigest(createIdentity({ ...base, kvType: 'f32' }))).not.toBe(modelDigest(base));
});

test('an identity is frozen, and an empty field is refused by name', () => {
  expect(Object.isFrozen(base)).toBe(true);
  expect(() => createIdentity({ ...base, weights: '' })).toThrow(/weights/);
});
