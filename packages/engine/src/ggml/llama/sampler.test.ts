import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { sentencePieceModels } from '../../../../../tests/support/models/sentence-piece-models.ts';
import { createSampler } from './sampler.ts';
import { resolveSamplerOptions, type SamplerOptions } from './sampler-options.ts';
import { openTokenizer, type VocabTokenizer } from './vocab.ts';

describe('resolveSamplerOptions', () => {
  it('is greedy by default', () => {
    const { seed, ...rest } = resolveSamplerOptions({});
    expect(Number.isInteger(seed)).toBe(true);
    expect(rest).toEqual({
      temperature: 0,
      topK: 0,
      topP: 1,
      minP: 0,
      repeatPenalty: 1,
      frequencyPenalty: 0,
      presencePenalty: 0,
      penaltyLastN: 64,
      grammar: undefined,
    });
  });

  it.each<[SamplerOptions, RegExp]>([
    [{ temperature: Number.NaN }, /temperature is NaN: give a number in \[0, 1000\]/],
    [{ temperature: -1 }, /temperature is -1/],
    [{ temperature: Number.POSITIVE_INFINITY }, /temperature is Infinity/],
    [{ topK: 1.5 }, /topK is 1.5: give a whole number/],
    [{ topK: -1 }, /topK is -1/],
    [{ topP: 0 }, /topP is 0: give a number in \(0, 1\]/],
    [{ topP: 1.1 }, /topP is 1.1/],
    [{ minP: 2 }, /minP is 2/],
    [{ repeatPenalty: 0 }, /repeatPenalty is 0/],
    [{ frequencyPenalty: 101 }, /frequencyPenalty is 101/],
    [{ presencePenalty: Number.NaN }, /presencePenalty is NaN/],
    [{ penaltyLastN: -1 }, /penaltyLastN is -1/],
    [{ seed: 2 ** 32 - 1 }, /seed is 4294967295/],
    [JSON.parse('{"topP":"0.5"}') as SamplerOptions, /topP is 0.5: give a number/],
    [JSON.parse('{"grammar":5}') as SamplerOptions, /grammar is of type number/],
  ])('refuses %j', (options, message) => {
    expect(() => resolveSamplerOptions(options)).toThrow(expect.objectContaining({ code: 'INVALID_ARGUMENT' }));
    expect(() => resolveSamplerOptions(options)).toThrow(message);
  });
});

const folder = mkdtempSync(join(tmpdir(), 'block-attention-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

describe.each(await sentencePieceModels(folder))('createSampler, $name', ({ path }) => {
  let tokenizer: VocabTokenizer;
  beforeAll(async () => {
    tokenizer = await openTokenizer(path);
  });
  afterAll(() => tokenizer.dispose());

  /** Logits that favour the given tokens, the first one most. */
  const favour = (...tokens: number[]) => {
    const logits = Float32Array.from({ length: tokenizer.size }, (_, i) => -10 - i / tokenizer.size);
    for (const [i, token] of tokens.entries()) logits[token] = 5 - i;
    return logits;
  };
  const draw = (options: SamplerOptions, logits: Float32Array, count: number) => {
    using sampler = createSampler(options, tokenizer);
    return Array.from({ length: count }, () => sampler.sample(logits));
  };
  const textOf = (tokens: number[]) =>
    Buffer.concat(tokens.map((token) => Buffer.from(tokenizer.tokenBytes(token)))).toString('utf8');

  it('takes the likeliest token, the first one of equals', () => {
    expect(draw({}, favour(300, 301), 3)).toEqual([300, 300, 300]);
    expect(draw({}, new Float32Array(tokenizer.size), 1)).toEqual([0]);
    expect(draw({ temperature: 0.0001 }, favour(300, 301), 50)).toEqual(Array.from({ length: 50 }, () => 300));
  });

  it('draws by probability: the same with the same seed, others with another', () => {
    const logits = favour(300, 301, 302, 303);
    const first = draw({ temperature: 1, seed: 1 }, logits, 200);
    expect(draw({ temperature: 1, seed: 1 }, logits, 200)).toEqual(first);
    expect(draw({ temperature: 1, seed: 2 }, logits, 200)).not.toEqual(first);
    // softmax(5, 4, 3, 2) gives the first token 64 %.
    expect(first.filter((token) => token === 300).length).toBeGreaterThan(100);
    expect(first.filter((token) => token === 300).length).toBeLessThan(160);
  });

  it('starts over on reset', () => {
    using sampler = createSampler({ temperature: 1, repeatPenalty: 1.3, seed: 3 }, tokenizer);
    const logits = favour(300, 301, 302, 303);
    const first = Array.from({ length: 50 }, () => sampler.sample(logits));
    sampler.reset();
    expect(Array.from({ length: 50 }, () => sampler.sample(logits))).toEqual(first);
    expect(sampler.seed).toBe(3);
  });

  it.each<[string, SamplerOptions, number[]]>([
    ['topK', { topK: 2 }, [300, 301]],
    // 64 % + 24 % reach 0.8.
    ['topP', { topP: 0.8 }, [300, 301]],
    // e^-1 is above a third, e^-2 below.
    ['minP', { minP: 0.3 }, [300, 301]],
  ])('%s keeps the likeliest tokens only', (_, options, kept) => {
    const drawn = draw({ ...options, temperature: 2, seed: 5 }, favour(300, 301, 302, 303), 300);
    expect([...new Set(drawn)].sort((a, b) => a - b)).toEqual(kept);
  });

  it('penalises what was said, within the look-back', () => {
    expect(draw({ repeatPenalty: 2 }, favour(300, 301), 2)).toEqual([300, 301]);
    expect(draw({ presencePenalty: 1.5 }, favour(300, 301), 2)).toEqual([300, 301]);
    // 5, then 5 − 0.6 is still above 4, then 5 − 1.2 is not.
    expect(draw({ frequencyPenalty: 0.6 }, favour(300, 301), 3)).toEqual([300, 300, 301]);
    expect(draw({ presencePenalty: 20, penaltyLastN: 1 }, favour(300, 301), 4)).toEqual([300, 301, 300, 301]);
    expect(draw({ presencePenalty: 20, penaltyLastN: 0 }, favour(300, 301), 2)).toEqual([300, 300]);
  });

  it('leaves the logits as they are', () => {
    const logits = favour(300, 301);
    const before = logits.slice();
    draw({ temperature: 1, topP: 0.5, repeatPenalty: 2, grammar: 'root ::= [a-z]+' }, logits, 5);
    expect(logits).toEqual(before);
  });

  it.each<[string, SamplerOptions]>([
    ['greedily', {}],
    ['at random', { temperature: 1, topP: 0.9, seed: 11 }],
  ])('follows a grammar %s, and ends it with an end-of-generation token', (_, options) => {
    const grammar = 'root ::= ("yes" | "no") ", " [0-9]{2,4} "é"? ';
    using sampler = createSampler({ ...options, grammar }, tokenizer);
    const logits = Float32Array.from({ length: tokenizer.size }, (_, i) => Math.sin(i * 7.7) * 3);
    for (let round = 0; round < 5; round++) {
      const tokens: number[] = [];
      for (let token = sampler.sample(logits); !tokenizer.isEndOfGeneration(token); token = sampler.sample(logits)) {
        tokens.push(token);
      }
      expect(textOf(tokens)).toMatch(/^(yes|no), [0-9]{2,4}é?$/);
      sampler.reset();
    }
  });

  it('says so when the grammar leaves no token', () => {
    using sampler = createSampler({ grammar: 'root ::= "a"' }, tokenizer);
    const logits = favour(300);
    sampler.sample(logits);
    const noEnd = logits.slice();
    for (let token = 0; token < tokenizer.size; token++) {
      if (tokenizer.isEndOfGeneration(token)) noEnd[token] = Number.NEGATIVE_INFINITY;
    }
    expect(() => sampler.sample(noEnd)).toThrow(/after 1 tokens the grammar allows none/);
    expect(tokenizer.isEndOfGeneration(sampler.sample(logits))).toBe(true);
  });

  it('refuses bad grammars and bad logits', () => {
    const make = (grammar: string) => () => createSampler({ grammar }, tokenizer);
    expect(make('root ::= root "a"')).toThrow(expect.objectContaining({ code: 'INVALID_GRAMMAR' }));
    expect(make('')).toThrow(expect.objectContaining({ code: 'INVALID_GRAMMAR' }));
    for (const options of [{}, { temperature: 1 }, { temperature: 1, topP: 0.5, topK: 3 }]) {
      using sampler = createSampler(options, tokenizer);
      const refused = expect.objectContaining({ code: 'COMPUTE_FAILED' });
      expect(() => sampler.sample(favour(300).fill(Number.NaN, 7, 8))).toThrow(/logit of token 7 is NaN/);
      expect(() => sampler.sample(favour(300).fill(Number.POSITIVE_INFINITY, 7, 8))).toThrow(refused);
      expect(() => sampler.sample(new Float32Array(tokenizer.size).fill(Number.NEGATIVE_INFINITY))).toThrow(refused);
      expect(() => sampler.sample(new Float32Array(5))).toThrow(`5 logits for a vocabulary of ${tokenizer.size}`);
      expect(sampler.sample(favour(300))).toBe(300);
    }
  });

  it('answers nothing once disposed', () => {
    const sampler = createSampler({ temperature: 1 }, tokenizer);
    sampler[Symbol.dispose]();
    sampler[Symbol.dispose]();
    expect(() => sampler.sample(favour(300))).toThrow(expect.objectContaining({ code: 'DISPOSED' }));
  });
});
