import { readFile, truncate, writeFile } from 'node:fs/promises';
import fc from 'fast-check';
import { afterEach, beforeAll, expect, test, vi } from 'vitest';
import { loadLibrary } from '../ggml/ffi/library.ts';
import { nativeVariable } from '../ggml/native/native-file.ts';
import type { BlockRequest } from './block-store.ts';
import { createBlockStore } from './create-store.ts';
import { blockPath } from './disk/disk-files.ts';
import { Allocations, block, encoder, release, use, withFolder } from './testing/blocks.ts';

const blockBytes = 3000;
const fileBytes = 4096 + blockBytes;
const ids = Array.from({ length: 40 }, (_, id) => id + 1);

beforeAll(async () => {
  await loadLibrary();
});

afterEach(() => {
  vi.unstubAllEnvs();
});

/** One way to spoil the file of the block at `victim`. */
const damage = fc.record({
  kind: fc.constantFrom('flip', 'flip', 'truncate', 'extend', 'empty', 'swap', 'foreign', 'zero', 'splice'),
  at: fc.nat(fileBytes - 1),
  bit: fc.nat(7),
  other: fc.nat(ids.length - 1),
});
type Damage = typeof damage extends fc.Arbitrary<infer T> ? T : never;

test.each([
  ['plain', undefined, '1'],
  ['sealed', Buffer.alloc(32, 3), '1'],
  ['plain, checked by this thread', undefined, '0'],
  ['sealed, opened by node:crypto', Buffer.alloc(32, 3), '0'],
])('2,000 random corruptions, %s: all are misses with a reason, and answers stay right', (_, storeKey, native) =>
  withFolder(async (directory) => {
    vi.stubEnv(nativeVariable, native);
    const requests = ids.map((id) => block(id, blockBytes));
    const pathOf = (at: number) => blockPath(directory, (requests[at] as BlockRequest).key);
    const options = { memoryBytes: 0, directory, storeKey, onWarning: () => {} };
    const allocations = new Allocations();
    const encode = encoder(allocations);
    const store = await createBlockStore(options);
    await use(store, requests, encode);
    await store.flush();
    const pristine = await Promise.all(requests.map((_, at) => readFile(pathOf(at))));
    const imageOf = (at: number) => Buffer.from(pristine[at] as Buffer);
    // The same tokens under another model have another key.
    const stranger = block(777, blockBytes);
    await use(store, [stranger], encode);
    await store.flush();
    const strange = await readFile(blockPath(directory, stranger.key));

    async function spoil(victim: number, { kind, at, bit, other }: Damage): Promise<void> {
      const image = imageOf(victim);
      if (kind === 'flip') image[at] = (image[at] ?? 0) ^ (1 << bit);
      const elsewhere = imageOf(other === victim ? (other + 1) % ids.length : other);
      if (kind === 'splice') elsewhere.copy(image, 4096, 4096);
      if (kind === 'zero') image.fill(0, at & ~511, Math.min((at & ~511) + 512, fileBytes));
      // Where there were zeros before, that was no damage.
      if (kind === 'zero' && image.equals(imageOf(victim))) image[at] = 1;
      if (kind === 'swap') await writeFile(pathOf(victim), elsewhere);
      else if (kind === 'foreign') await writeFile(pathOf(victim), strange);
      else if (kind === 'extend') await writeFile(pathOf(victim), Buffer.concat([image, Buffer.alloc(1 + at)]));
      else if (kind === 'truncate' || kind === 'empty') await truncate(pathOf(victim), kind === 'empty' ? 0 : at);
      else await writeFile(pathOf(victim), image);
    }

    let corruptions = 0;
    const round = fc.array(damage, { minLength: ids.length, maxLength: ids.length });
    await fc.assert(
      fc.asyncProperty(round, async (damages) => {
        for (const [victim, one] of damages.entries()) await spoil(victim, one);
        // A process that has not seen the files yet; the blocks it serves are those of an empty store.
        const fresh = await createBlockStore(options);
        const handles = await fresh.acquire(requests, encode);
        expect(handles.map(({ status, decision }) => `${status} ${decision}`)).toEqual(
          Array(ids.length).fill('miss unreadable'),
        );
        release(handles);
        const misses = fresh.stats().tiers[0]?.misses ?? {};
        expect(Object.values(misses).reduce((sum, count) => sum + count, 0)).toBe(ids.length);
        corruptions += ids.length;
        await fresh.flush();
        // Each was replaced by a whole one.
        expect(new Set(await use(fresh, requests, encode))).toEqual(new Set(['disk']));
        await fresh.close();
        for (const at of requests.keys()) pristine[at] = await readFile(pathOf(at));
      }),
      { numRuns: 2000 / ids.length, endOnFailure: true },
    );
    expect(corruptions).toBe(2000);
    await store.close();
    expect(allocations.live).toBe(0);
  }),
);
