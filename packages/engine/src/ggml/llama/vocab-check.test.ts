import { mkdtempSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { vocabulary } from '../../../../../tests/support/models/random-vocabulary.ts';
import { type GgufEntry, writeGguf } from '../gguf/gguf-writer.ts';
import { openTokenizer } from './vocab.ts';
import { checkVocabulary } from './vocab-check.ts';

const folder = mkdtempSync(join(tmpdir(), 'block-attention-'));
afterAll(() => rmSync(folder, { recursive: true }));
const path = join(folder, 'model.gguf');

/** Writes a vocabulary whose tokens went through `change`. */
async function write(kind: 'spm' | 'bpe', change: (tokens: string[]) => string[], model?: string): Promise<void> {
  const { entries } = vocabulary(kind);
  const listed = entries.get('tokenizer.ggml.tokens');
  if (listed === undefined || !('array' in listed) || !('string' in listed.array)) throw new Error('no tokens');
  const tokens: GgufEntry = { array: { string: change([...listed.array.string]) } };
  entries.set('tokenizer.ggml.tokens', tokens);
  if (model !== undefined) entries.set('tokenizer.ggml.model', { string: model });
  await writeGguf(path, new Map([['general.architecture', { string: 'llama' }], ...entries]), []);
}

describe('checkVocabulary', () => {
  it.each(['spm', 'bpe'] as const)('takes %s, also with tokens that have no text', async (kind) => {
    await write(kind, (tokens) => tokens);
    checkVocabulary(path);
    await write(kind, (tokens) => [...tokens.slice(0, -2), '', '']);
    const tokenizer = await openTokenizer(path);
    expect(tokenizer.tokenize('the bridge', false).length).toBeGreaterThan(1);
    tokenizer.dispose();
  });

  it('reads headers of many megabytes', async () => {
    const many = Array.from({ length: 70_000 }, (_, i) => `${i} `.padEnd(5 + (i % 40), 'é'));
    await write('spm', (tokens) => [...tokens, ...many]);
    checkVocabulary(path);
    await write('spm', (tokens) => [...tokens, ...many, many[69_999] ?? '']);
    expect(() => checkVocabulary(path)).toThrow(/repeats/);
  });

  // Without the check, each of these ends the process.
  it('refuses tokens that repeat', async () => {
    await write('bpe', (tokens) => [...tokens.slice(0, -1), tokens[5] ?? '']);
    await expect(openTokenizer(path)).rejects.toMatchObject({ code: 'MODEL_INVALID' });
    await expect(openTokenizer(path)).rejects.toThrow(/token \d+ repeats/);
  });

  it.each(['spm', 'bpe'] as const)('refuses tokens that a NUL would cut short, in %s', async (kind) => {
    // Cut, it repeats "h"; on its own it would be read as another token.
    for (const token of ['h\0re', '\0', 'qqq\0']) {
      await write(kind, (tokens) => [...tokens.slice(0, -1), token]);
      await expect(openTokenizer(path)).rejects.toMatchObject({ code: 'MODEL_INVALID' });
      await expect(openTokenizer(path)).rejects.toThrow(/token \d+ holds a NUL byte/);
    }
  });

  it('looks at the key that libllama looks at', async () => {
    const { entries } = vocabulary('bpe');
    const listed = entries.get('tokenizer.ggml.tokens');
    if (listed === undefined || !('array' in listed) || !('string' in listed.array)) throw new Error('no tokens');
    const tokens = [...listed.array.string];
    const doubled: GgufEntry = { array: { string: [...tokens.slice(0, -1), tokens[5] ?? ''] } };
    const head: [string, GgufEntry][] = [['general.architecture', { string: 'llama' }]];
    // Its name ends at the NUL, and it stands in front of the sound one.
    await writeGguf(path, new Map([...head, ['tokenizer.ggml.tokens\0x', doubled], ...entries]), []);
    await expect(openTokenizer(path)).rejects.toThrow(/token \d+ repeats/);
  });

  it('says why libllama refuses a file', async () => {
    const { entries } = vocabulary('bpe', 'no-such-pre');
    await writeGguf(path, new Map([['general.architecture', { string: 'llama' }], ...entries]), []);
    const refused = openTokenizer(path);
    await expect(refused).rejects.toMatchObject({ code: 'MODEL_INVALID' });
    await expect(refused).rejects.toThrow(/unknown pre-tokenizer type: 'no-such-pre': convert the model again/);
    await write('bpe', (tokens) => tokens);
    (await openTokenizer(path)).dispose();
  });

  it('refuses a SentencePiece vocabulary that cannot spell a byte', async () => {
    await write('spm', (tokens) => tokens.map((token) => (token === '<0xC3>' ? '<byte>' : token)));
    await expect(openTokenizer(path)).rejects.toMatchObject({ code: 'MODEL_UNSUPPORTED' });
    await expect(openTokenizer(path)).rejects.toThrow(/no token for byte 0xC3/);
  });

  it('refuses other kinds of tokenizers', async () => {
    await write('spm', (tokens) => tokens, 't5');
    await expect(openTokenizer(path)).rejects.toThrow(/tokenizer of type "t5"/);
    await write('spm', (tokens) => tokens, 'none');
    await expect(openTokenizer(path)).rejects.toThrow(/has no vocabulary/);
  });

  it('survives a header damaged or cut short anywhere', async () => {
    await write('bpe', (tokens) => tokens);
    const whole = readFileSync(path);
    let seed = 1;
    const next = (below: number) => {
      seed = (seed * 48271) % 0x7fffffff;
      return seed % below;
    };
    for (let round = 0; round < 300; round++) {
      writeFileSync(path, whole);
      if (round % 3 === 0) {
        truncateSync(path, next(whole.length));
      } else {
        const damaged = Buffer.from(whole);
        // Half of the damage goes where keys, types and counts lie.
        for (let i = 0; i < 3; i++) damaged[next(round % 2 === 0 ? 300 : whole.length)] = next(256);
        writeFileSync(path, damaged);
      }
      const opened = await openTokenizer(path).catch((error: unknown) => error);
      if (opened instanceof Error) expect(opened).toMatchObject({ code: expect.stringMatching(/^MODEL_/) });
      else (opened as { dispose(): void }).dispose();
    }
  });
});
