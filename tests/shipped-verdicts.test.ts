import { copyFileSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { weightsDigest } from '@block-attention/engine/internal/model';
import { promptFormat } from '@block-attention/engine/internal/prompt';
import { afterAll, beforeAll, describe, expect, it, test } from 'vitest';
import { createEngine } from '../packages/engine/src/engine/engine.ts';
import { namesFile, parsePolicy } from '../packages/engine/src/engine/policy/policy.ts';
import { shippedPath, shippedPaths, shippedVerdicts } from '../packages/engine/src/engine/verdict/shipped-verdicts.ts';
import { storedSchema } from '../packages/engine/src/engine/verdict/verdict-schema.ts';
import {
  readVerdict,
  type StoredVerdict,
  verdictBeside,
  verdictIdentity,
  verdictPath,
  verdictPolicy,
  writeVerdict,
} from '../packages/engine/src/engine/verdict/verdict-store.ts';
import { modelAliases } from '../src/hub/index.ts';

const folder = mkdtempSync(join(tmpdir(), 'block-attention-shipped-'));
const cacheDir = join(folder, 'cache');
const embedded = modelAliases.embedded?.file ?? '';
/** The embedded model as somebody else has it: no file beside it. */
const copy = join(folder, 'copy.gguf');
beforeAll(() => copyFileSync(embedded, copy));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const compute = { modelPath: copy, device: 'cpu', threads: 1, cacheDir } as const;

describe('the verdicts of this package', () => {
  const read = (name: string): StoredVerdict =>
    storedSchema.parse(JSON.parse(readFileSync(join(shippedVerdicts, name), 'utf8')));

  test.each(readdirSync(shippedVerdicts))(
    '%s is about a model that an alias names, and holds anywhere',
    async (name) => {
      const stored = read(name);
      expect(shippedPath(stored.identity, shippedVerdicts)).toBe(join(shippedVerdicts, name));
      const { verdict, policy, identity, difference } = stored;
      expect(verdict).toBe('block');
      expect(namesFile(parsePolicy(policy ?? ''))).toBe(false);
      expect(difference.interval[0]).toBeGreaterThanOrEqual(-stored.tolerance);
      // Of prompts as they are written now.
      expect(identity.template).toMatch(new RegExp(` ${promptFormat}$`));
      const known = Object.values(modelAliases).flatMap(({ sources }) =>
        sources.flatMap((source) => source.split('sha256=')),
      );
      expect([...known, await weightsDigest(embedded, join(cacheDir, 'digests'))]).toContain(identity.weights);
    },
  );

  it('are obeyed wherever the file lies, and by no other file', async () => {
    await using engine = await createEngine(compute);
    expect(engine.verdict).toMatchObject({ verdict: 'block', n: 1000 });
    expect(engine.chooseMode({})).toMatchObject({ mode: 'block', policy: { name: 'plain' } });

    const changed = join(folder, 'changed.gguf');
    const bytes = readFileSync(copy);
    bytes.writeUInt8(bytes.readUInt8(bytes.length - 1) ^ 1, bytes.length - 1);
    writeFileSync(changed, bytes);
    await using other = await createEngine({ ...compute, modelPath: changed });
    expect(other.verdict).toBeNull();
    expect(other.chooseMode({}).mode).toBe('full');
  });

  it('say how to read blocks of another type, and allow nothing there', async () => {
    await using engine = await createEngine({ ...compute, kvType: 'q8_0' });
    expect(engine.verdict).toBeNull();
    expect(engine.chooseMode({}).mode).toBe('full');
    expect(engine.chooseMode({ mode: 'block' }).policy?.name).toBe('plain');
  });
});

describe('a shipped verdict', () => {
  const shipped = join(folder, 'shipped');
  const stored = {
    verdict: 'block' as const,
    policy: 'anchor:40+hide:4',
    reasons: [],
    tolerance: 0.02,
    n: 200,
    fullAccuracy: 0.6,
    blockAccuracy: 0.6,
    difference: { value: 0, interval: [-0.01, 0.01] as [number, number] },
    measuredAt: '2026-01-01T00:00:00.000Z',
  };
  const identityOf = (more: { kvType?: 'f16' | 'q8_0'; adapter?: string } = {}) =>
    verdictIdentity({ modelPath: copy, cacheDir, ...more });

  it("gives way to the model's own file and to the user's", async () => {
    const identity = await identityOf();
    const beside = join(folder, 'beside.gguf');
    const places = { cacheDir: join(folder, 'other'), beside, shipped };
    const at = (n: number, path = '') => writeVerdict({ ...stored, identity, n }, path, { forAll: true });
    expect(await readVerdict(identity, places)).toBeUndefined();
    await at(1, shippedPath(identity, shipped));
    expect((await readVerdict(identity, places))?.n).toBe(1);
    expect(await readVerdict(identity, { cacheDir: places.cacheDir, beside })).toBeUndefined();
    await at(2, verdictBeside(beside));
    expect((await readVerdict(identity, places))?.n).toBe(2);
    await at(3, verdictPath(identity, places.cacheDir));
    expect((await readVerdict(identity, places))?.n).toBe(3);
  });

  it('is about one file, template and type, and about no adapter', async () => {
    const identity = await identityOf();
    const q8 = await identityOf({ kvType: 'q8_0' });
    const adapted = await identityOf({ adapter: '12'.repeat(32) });
    for (const other of [
      q8,
      adapted,
      { ...identity, template: 'paper 1' },
      { ...identity, weights: 'ab'.repeat(32) },
    ]) {
      expect(await readVerdict(other, { cacheDir: join(folder, 'none'), shipped })).toBeUndefined();
    }
    expect(await verdictPolicy(q8, { shipped })).toEqual(parsePolicy(stored.policy));
    expect(await verdictPolicy(adapted, { shipped })).toBeUndefined();
    expect(await shippedPaths(identity, join(folder, 'no such folder'))).toEqual([]);
  });

  it('that cannot be read, or says something else than its name, is none', async () => {
    const identity = await identityOf();
    const wrong = join(folder, 'wrong');
    const path = shippedPath(identity, wrong) ?? '';
    const places = { cacheDir: join(folder, 'none'), shipped: wrong };
    mkdirSync(wrong);
    for (const text of [
      '',
      '{',
      '{}',
      JSON.stringify({ version: 1, ...stored, identity: { ...identity, weights: '1' } }),
    ]) {
      writeFileSync(path, text);
      expect(await readVerdict(identity, places)).toBeUndefined();
      expect(await verdictPolicy(identity, places)).toBeUndefined();
    }
  });
});
