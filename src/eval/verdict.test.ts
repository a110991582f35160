import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { decide, neededQuestions, readVerdict, type VerdictIdentity, writeVerdict } from './verdict.ts';

const folder = mkdtempSync(join(tmpdir(), 'block-attention-verdict-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const evidence = (n: number, low: number, fullLow = 0.5) => ({
  n,
  fullInterval: [fullLow, 0.9] as const,
  difference: { value: low / 2, interval: [low, 0.01] as const },
});

describe('decide', () => {
  it.each([
    [150, -0.02, 0.5, 'block', []],
    [150, -0.021, 0.5, 'full', [/lose up to 2.1 points/]],
    [149, 0, 0.5, 'full', [/149 questions .* at least 150/]],
    [150, 0, 0.02, 'full', [/would not show/]],
    [10, -0.5, 0, 'full', [/10 questions/, /would not show/, /50.0 points/]],
    [150, Number.NaN, 0.5, 'full', [/NaN/]],
  ] as const)('of %d questions, lower end %d, full from %d: %s', (n, low, fullLow, verdict, reasons) => {
    const decided = decide(evidence(n, low, fullLow), 0.02);
    expect(decided.verdict).toBe(verdict);
    expect(decided.reasons).toHaveLength(reasons.length);
    for (const [i, reason] of reasons.entries()) expect(decided.reasons[i]).toMatch(reason);
  });

  it('asks for as many questions as the tolerance needs', () => {
    expect([0.5, 0.1, 0.03, 0.02, 0.01, 0.007].map(neededQuestions)).toEqual([6, 30, 100, 150, 300, 429]);
  });
});

const identity: VerdictIdentity = { weights: 'ab'.repeat(32), template: 'auto 1', kvType: 'f16' };
const verdict = {
  identity,
  verdict: 'block' as const,
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
    expect(await readVerdict(identity, folder)).toBeUndefined();
    await writeVerdict({ ...verdict, verdict: 'full' }, folder);
    await writeVerdict(verdict, folder);
    expect(await readVerdict(identity, folder)).toEqual({ version: 1, ...verdict });
    const others = [{ weights: 'cd'.repeat(32) }, { template: 'plain 1' }, { kvType: 'q8_0' as const }];
    for (const other of others) expect(await readVerdict({ ...identity, ...other }, folder)).toBeUndefined();
    expect(readdirSync(join(folder, 'verdicts'))).toHaveLength(1);
  });

  it('takes nothing broken or foreign for a verdict', async () => {
    const path = await writeVerdict(verdict, folder);
    const foreign = { version: 1, ...verdict, identity: { ...identity, weights: 'other' } };
    for (const text of [
      '',
      '{',
      '{"verdict": "block"}',
      JSON.stringify({ ...verdict, version: 2 }),
      JSON.stringify(foreign),
    ]) {
      writeFileSync(path, text);
      expect(await readVerdict(identity, folder)).toBeUndefined();
    }
  });
});
