import { appendFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { z } from 'zod';
import { ResultsFile, resultKey } from './results-file.ts';

const folder = mkdtempSync(join(tmpdir(), 'block-attention-results-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));
const schema = z.object({ text: z.string() });
let count = 0;
const fresh = () => join(folder, `results-${count++}.jsonl`);

describe('ResultsFile', () => {
  it('finds rows again, and goes on after a line that a crash cut off', async () => {
    const path = fresh();
    {
      await using file = await ResultsFile.open(path, schema);
      await Promise.all([file.add('a', { text: 'été' }), file.add('b', { text: 'two' })]);
    }
    appendFileSync(path, '{"key":"c","val');
    {
      await using file = await ResultsFile.open(path, schema);
      expect(file.get('a')).toEqual({ text: 'été' });
      expect(file.get('c')).toBeUndefined();
      await file.add('c', { text: 'three' });
    }
    await using file = await ResultsFile.open(path, schema);
    expect(['a', 'b', 'c'].map((key) => file.get(key)?.text)).toEqual(['été', 'two', 'three']);
    expect(readFileSync(path, 'utf8').split('\n')).toHaveLength(5);
  });

  it('leaves a file of another kind as it is', async () => {
    const path = fresh();
    for (const text of ['{"question": "q"}\n', 'no line break']) {
      writeFileSync(path, text);
      await expect(ResultsFile.open(path, schema)).rejects.toThrow(`${path}:1 is not the first line`);
      expect(readFileSync(path, 'utf8')).toBe(text);
    }
  });

  it('names a line that is not a result', async () => {
    const path = fresh();
    await (await ResultsFile.open(path, schema))[Symbol.asyncDispose]();
    appendFileSync(path, '{"key":"a","value":{"text":1}}\n');
    await expect(ResultsFile.open(path, schema)).rejects.toMatchObject({ code: 'INVALID_DATA' });
    await expect(ResultsFile.open(path, schema)).rejects.toThrow(`${path}:2 is not a result`);
  });

  it('refuses a folder', async () => {
    await expect(ResultsFile.open(folder, schema)).rejects.toThrow('cannot be used for results');
  });
});

it('names differ with every part', () => {
  const keys = [['a', 1], ['a', 2], ['a1'], ['a', '1']].map(resultKey);
  expect(new Set(keys).size).toBe(4);
});
