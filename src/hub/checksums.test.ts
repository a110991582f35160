import { createHash } from 'node:crypto';
import { mkdtemp, open, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { parseSha256Sums, parseWheelRecord, sha256OfFile } from './checksums.ts';
import { fakeGguf } from './testing/file-server.ts';

const digest = 'ab'.repeat(32);

describe('sha256OfFile', () => {
  it('hashes a file larger than its buffer, from the first byte', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'sum-'));
    const bytes = fakeGguf(9_000_001);
    await writeFile(join(folder, 'f'), bytes);
    const file = await open(join(folder, 'f'));
    const seen: number[] = [];
    const sum = await sha256OfFile(file, { onBytes: (done) => seen.push(done) });
    expect(sum).toBe(createHash('sha256').update(bytes).digest('hex'));
    expect(seen.at(-1)).toBe(9_000_001);
    await expect(sha256OfFile(file, { signal: AbortSignal.abort() })).rejects.toMatchObject({ code: 'ABORTED' });
    await file.close();
    await rm(folder, { recursive: true });
  });
});

describe('lists of checksums', () => {
  it('reads SHA256SUMS', () => {
    const text = `${digest}  m.gguf\r\n${digest.toUpperCase()} *data/n.gguf\n# comment\n${digest} bad\nshort  x\n`;
    expect([...parseSha256Sums(text)]).toEqual([
      ['m.gguf', digest],
      ['n.gguf', digest],
    ]);
  });

  it('reads the RECORD of a wheel', () => {
    const coded = Buffer.from(digest, 'hex').toString('base64url');
    const text = `pkg/m.gguf,sha256=${coded},98362432\npkg/x.py,md5=abc,3\npkg.dist-info/RECORD,,\n`;
    expect([...parseWheelRecord(text)]).toEqual([['pkg/m.gguf', digest]]);
  });
});
