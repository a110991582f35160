import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { sentencePieceModels } from '../../../../../tests/support/models/sentence-piece-models.ts';
import { checkDefaults } from './llama-model.ts';
import { openTokenizer, type VocabTokenizer } from './vocab.ts';

const folder = mkdtempSync(join(tmpdir(), 'block-attention-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

describe.each(await sentencePieceModels(folder))('the tokenizer of a SentencePiece model, $name', ({ path }) => {
  let tokenizer: VocabTokenizer;
  beforeAll(async () => {
    tokenizer = await openTokenizer(path);
  });
  afterAll(() => tokenizer.dispose());

  const detokenize = (tokens: Int32Array) =>
    Buffer.concat(Array.from(tokens, (token) => tokenizer.tokenBytes(token))).toString('utf8');

  it('reads the special tokens', () => {
    expect(tokenizer).toMatchObject({ bos: 1, eos: 2, addBos: true, chatTemplate: undefined });
    expect(tokenizer.tokenText(1).trim()).toBe('<s>');
    expect(tokenizer.isControl(1)).toBe(true);
    expect(tokenizer.isEndOfGeneration(2)).toBe(true);
    expect(tokenizer.isEndOfGeneration(300)).toBe(false);
    expect(tokenizer.tokenBytes(1)).toHaveLength(0);
  });

  it.each(['Once upon a time', 'a\0b', 'tab\tand\nnewline', 'é漢😀', '  spaces  '])('gives %j back', (text) => {
    expect(detokenize(tokenizer.tokenize(text, false))).toBe(` ${text}`);
  });

  it('spells text that looks like a control token as text, unless asked to parse it', () => {
    expect(tokenizer.tokenize('<s>', true)).toEqual(Int32Array.of(1));
    const spelled = tokenizer.tokenize('<s>', false);
    expect(Array.from(spelled)).not.toContain(1);
    expect(detokenize(spelled)).toBe(' <s>');
  });

  it('never adds BOS', () => {
    expect(tokenizer.tokenize('', true)).toHaveLength(0);
    expect(tokenizer.tokenize('Once', true)[0]).not.toBe(1);
  });

  it('asks again when a text has more tokens than bytes would suggest', () => {
    // No token of this vocabulary covers these: each of the 3 bytes becomes a token.
    expect(tokenizer.tokenize('漢'.repeat(1000), false)).toHaveLength(3001);
  });

  it('tokenizes many texts at once as one by one', async () => {
    const texts = [
      '',
      '<s>',
      'a\0b',
      '漢'.repeat(1000),
      ...Array.from({ length: 50 }, (_, at) => 'Once upon '.repeat(at)),
    ];
    for (const special of [false, true]) {
      const expected = texts.map((text) => tokenizer.tokenize(text, special));
      expect(await tokenizer.tokenizeAll(texts, special)).toEqual(expected);
    }
    await expect(tokenizer.tokenizeAll(['fine', 'ab\ud800'], false)).rejects.toThrow(/lone surrogate at index 2/);
  });

  it('refuses lone surrogates and unknown tokens', () => {
    expect(() => tokenizer.tokenize('ab\ud800', false)).toThrow(/lone surrogate at index 2/);
    for (const token of [-1, tokenizer.size, 1.5, Number.NaN]) {
      expect(() => tokenizer.tokenBytes(token)).toThrow(`is not in the vocabulary of ${tokenizer.size}`);
      expect(() => tokenizer.isControl(token)).toThrow(`is not in the vocabulary of ${tokenizer.size}`);
    }
  });

  it('answers nothing once disposed', async () => {
    const other = await openTokenizer(path);
    other.dispose();
    other.dispose();
    expect(() => other.tokenize('a', false)).toThrow(expect.objectContaining({ code: 'DISPOSED' }));
    expect(() => other.tokenBytes(5)).toThrow(expect.objectContaining({ code: 'DISPOSED' }));
  });

  it('loads without a word on the terminal', () => {
    const script = `const { openTokenizer } = await import('./packages/engine/src/ggml/llama/vocab.ts'); (await openTokenizer('${path}')).dispose();`;
    const run = (log: string) =>
      spawnSync(process.execPath, ['--import', 'tsx', '--input-type=module', '-e', script], {
        encoding: 'utf8',
        env: { ...process.env, BLOCK_ATTENTION_NATIVE_LOG: log },
      });
    const quiet = run('0');
    expect(quiet).toMatchObject({ status: 0, stdout: '', stderr: '' });
    expect(run('1').stderr).toContain('llama_model_loader');
  });
});

describe('a file that is not a model', () => {
  const file = (name: string, bytes: Uint8Array | string) => {
    const path = join(folder, name);
    writeFileSync(path, bytes);
    return path;
  };

  it.each([
    ['a missing file', () => join(folder, 'missing.gguf'), 'MODEL_NOT_FOUND'],
    ['a name with a NUL', () => 'a\0b', 'MODEL_NOT_FOUND'],
    ['a folder', () => folder, 'MODEL_INVALID'],
    ['an empty file', () => file('empty.gguf', ''), 'MODEL_INVALID'],
    ['text', () => file('text.gguf', 'not a model at all, just some text'), 'MODEL_INVALID'],
    ['a bare header', () => file('magic.gguf', 'GGUF\x03\0\0\0'), 'MODEL_INVALID'],
  ])('%s is a coded error', async (_, path, code) => {
    await expect(openTokenizer(path())).rejects.toMatchObject({ code });
  });
});

describe('checkDefaults', () => {
  it('names what reads differently', () => {
    expect(() => checkDefaults('some_params', { a: 1, b: 2, c: 0 }, { a: 1, b: 3 })).toThrow(
      expect.objectContaining({ code: 'BACKEND_UNAVAILABLE', message: expect.stringContaining('b is 2 instead of 3') }),
    );
    expect(() => checkDefaults('some_params', { a: 1 }, { a: 1 })).not.toThrow();
  });
});
