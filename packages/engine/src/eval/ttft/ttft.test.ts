import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { writeRandomModel } from '../../../../../tests/support/models/random-model.ts';
import { benchTtft, type TtftOptions, type TtftRow } from './ttft.ts';

const folder = mkdtempSync(join(tmpdir(), 'block-attention-ttft-'));
const modelPath = join(folder, 'model.gguf');
beforeAll(() => writeRandomModel(modelPath, { family: 'llama', contextTokens: 256 }, 1));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const bench = (more: Partial<TtftOptions>) =>
  benchTtft({
    modelPath,
    device: 'cpu',
    threads: 1,
    cacheDir: folder,
    runs: 2,
    blockTokens: 64,
    lengths: [50, 300],
    ...more,
  });

describe('benchTtft', () => {
  it('measures every length in every way, also beyond the trained context', async () => {
    const seen: TtftRow[] = [];
    const report = await bench({ lengths: [300, 50], onRow: (row) => seen.push(row) });
    expect(report.rows).toEqual(seen);
    const [short, long] = report.rows;
    expect(short).toMatchObject({ tokens: 50, contextTokens: 0, questionTokens: 50, blocks: 0, reusedBytes: 0 });
    expect(long).toMatchObject({ tokens: 300, contextTokens: 250, questionTokens: 50, blocks: 5 });
    for (const row of report.rows) {
      expect(row.fullMs).toBe(Math.min(row.engineFullMs ?? 0, row.llamaCppMs ?? 0));
      expect(row.fullMs).toBeGreaterThan(0);
      const { planMs, acquireMs, prefillMs } = row.blockParts;
      expect(planMs + acquireMs + prefillMs).toBeLessThan(row.blockMs * 1.5);
      expect(row.runs).toEqual({ block: 2, engineFull: 2, llamaCpp: 2 });
    }
    expect(short?.blockFlops).toBe(short?.fullFlops);
    expect(long?.blockFlops).toBeLessThan((long?.fullFlops ?? 0) / 3);
    expect(report).toMatchObject({ threads: 1, kvType: 'f16', reference: 'llama.cpp', model: { trainedContext: 256 } });
  });

  it('leaves null what it did not measure', async () => {
    const { rows } = await bench({ maxFullTokens: 100, reference: 'none' });
    expect(rows[0]).toMatchObject({ fullMs: expect.any(Number), llamaCppMs: null, llamaCppFlashAttention: null });
    expect(rows[1]).toMatchObject({ fullMs: null, engineFullMs: null, llamaCppMs: null, blockMs: expect.any(Number) });
  });

  it('refuses numbers that cannot be', async () => {
    await expect(bench({ lengths: [] })).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' });
    await expect(bench({ lengths: [50.5] })).rejects.toThrow('length is 50.5');
    await expect(bench({ runs: 0 })).rejects.toThrow('runs is 0');
    await expect(bench({ lengths: [52] })).rejects.toThrow('a prompt of 52 tokens');
  });

  it('stops when told to', async () => {
    const controller = new AbortController();
    const onProgress = (step: string) => {
      if (step.includes('block mode')) controller.abort();
    };
    await expect(bench({ signal: controller.signal, onProgress })).rejects.toMatchObject({ code: 'ABORTED' });
  });
});
