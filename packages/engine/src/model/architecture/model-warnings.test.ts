import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { vocabulary } from '../../../../../tests/support/models/random-vocabulary.ts';
import { openGguf } from '../../ggml/gguf/gguf-file.ts';
import { type GgufEntry, writeGguf } from '../../ggml/gguf/gguf-writer.ts';
import { modelWarnings } from './model-warnings.ts';

const folder = mkdtempSync(join(tmpdir(), 'block-attention-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

async function warningsOf(kind: 'spm' | 'bpe', changes: readonly [string, GgufEntry | undefined][]) {
  const entries = new Map<string, GgufEntry>([
    ['general.architecture', { string: 'llama' }],
    ...vocabulary(kind).entries,
  ]);
  for (const [key, value] of changes) {
    if (value === undefined) entries.delete(key);
    else entries.set(key, value);
  }
  const path = join(folder, 'model.gguf');
  await writeGguf(path, entries, []);
  return modelWarnings(await openGguf(path));
}

describe('modelWarnings', () => {
  it.each([undefined, { string: '' }])('names a byte-level tokenizer whose pre-tokenizer is %j', async (pre) => {
    expect(await warningsOf('bpe', [['tokenizer.ggml.pre', pre]])).toEqual([
      expect.stringMatching(/model\.gguf does not say .*tokenizer\.ggml\.pre.*convert the model again/),
    ]);
  });

  it('says nothing of others', async () => {
    expect(await warningsOf('bpe', [])).toEqual([]);
    expect(await warningsOf('spm', [['tokenizer.ggml.pre', undefined]])).toEqual([]);
  });
});
