import { mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import {
  readVerdict as read,
  type StoredVerdict,
  type VerdictIdentity,
  verdictBeside,
  verdictPath,
  writeVerdict as write,
} from './verdict-store.ts';

const folder = mkdtempSync(join(tmpdir(), 'block-attention-verdict-'));
const cache = join(folder, 'cache');
const modelPath = join(folder, 'model.gguf');
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const readVerdict = (wanted: VerdictIdentity) => read(wanted, { cacheDir: cache, beside: modelPath });
const writeVerdict = (stored: Omit<StoredVerdict, 'version'>) => write(stored, verdictPath(stored.identity, cache));

const identity: VerdictIdentity = { weights: 'ab'.repeat(32), template: 'auto 1', kvType: 'f16' };
const verdict = {
  identity,
  verdict: 'block' as const,
  policy: 'plain',
  reasons: [],
  tolerance: 0.02,
  n: 200,
  fullAccuracy: 0.6,
  blockAccuracy: 0.6,
  difference: { value: 0, interval: [-0.01, 0.01] as [number, number] },
  measuredAt: '2026-01-01T00:00:00.000Z',
};

describe('readVerdict', () => {
  it('finds the last verdict on just this model', async () => {
    expect(await readVerdict(identity)).toBeUndefined();
    await writeVerdict({ ...verdict, verdict: 'full', policy: null });
    await writeVerdict(verdict);
    expect(await readVerdict(identity)).toEqual({ version: 1, ...verdict });
    const others = [
      { weights: 'cd'.repeat(32) },
      { template: 'plain 1' },
      { kvType: 'q8_0' as const },
      { adapter: 'ef'.repeat(32) },
    ];
    for (const other of others) expect(await readVerdict({ ...identity, ...other })).toBeUndefined();
    expect(readdirSync(join(cache, 'verdicts'))).toHaveLength(1);
  });

  it("keeps verdicts on a model's adapters apart", async () => {
    const adapted = (adapter: string) => ({ ...verdict, identity: { ...identity, adapter } });
    const [one, half] = [adapted('12'.repeat(32)), adapted(`${'12'.repeat(32)} x 0.5`)];
    await writeVerdict({ ...one, n: 1 });
    await writeVerdict({ ...half, n: 2 });
    expect((await readVerdict(one.identity))?.n).toBe(1);
    expect((await readVerdict(half.identity))?.n).toBe(2);
    expect((await readVerdict(identity))?.n).toBe(200);
  });

  it('reads what an older version wrote', async () => {
    const path = verdictPath(identity, cache);
    const { policy: _, ...rest } = { version: 1, ...verdict };
    const older: [object, string | null][] = [
      [{ ...rest, repair: null }, 'plain'],
      [{ ...rest, verdict: 'block with repair', repair: 'head:8' }, 'head:8'],
      [{ ...rest, verdict: 'full', repair: null }, null],
      [rest, 'plain'],
    ];
    for (const [file, policy] of older) {
      writeFileSync(path, JSON.stringify(file));
      expect(await readVerdict(identity)).toMatchObject({ verdict: policy === null ? 'full' : 'block', policy });
    }
    for (const policy of ['tail:8', null, 8]) {
      writeFileSync(path, JSON.stringify({ ...rest, policy }));
      expect(await readVerdict(identity)).toBeUndefined();
    }
  });

  it('takes nothing broken or foreign for a verdict', async () => {
    const path = await writeVerdict(verdict);
    const foreign = { version: 1, ...verdict, identity: { ...identity, weights: 'other' } };
    for (const text of [
      '',
      '{',
      '{"verdict": "block"}',
      JSON.stringify({ ...verdict, version: 2 }),
      JSON.stringify(foreign),
    ]) {
      writeFileSync(path, text);
      expect(await readVerdict(identity)).toBeUndefined();
    }
  });

  it("prefers the user's own verdict to the one beside the model", async () => {
    const fresh = { ...verdict, identity: { ...identity, weights: 'ef'.repeat(32) } };
    await write({ ...fresh, n: 500 }, verdictBeside(modelPath));
    expect((await readVerdict(fresh.identity))?.n).toBe(500);
    // The one beside is about that file alone.
    expect(await readVerdict({ ...identity, weights: '01'.repeat(32) })).toBeUndefined();
    await writeVerdict({ ...fresh, verdict: 'full', policy: null });
    expect((await readVerdict(fresh.identity))?.verdict).toBe('full');
  });
});

it.skipIf(process.platform === 'win32')(
  'can be read by others where it travels with the model, and not where it is the own one',
  async () => {
    const own = await writeVerdict(verdict);
    const beside = await write(verdict, verdictBeside(modelPath), { forAll: true });
    // The process's mask may take more away, never less.
    expect(statSync(own).mode & 0o077).toBe(0);
    expect(statSync(beside).mode & 0o777).toBe(0o644 & ~process.umask());
  },
);
