import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { normalizeAnswer, scoreAnswer, tokenF1 } from './metrics.ts';

describe('normalizeAnswer', () => {
  it.each([
    ['The Romantics.', 'romantics'],
    ['  An   apple, a day!\n', 'apple day'],
    ['nearly $12', 'nearly 12'],
    ["Earth's orbit", 'earths orbit'],
    ['well-known', 'wellknown'],
    ['“Ménage à Troi”', 'ménage à troi'],
    ['Me\u0301nage', 'ménage'],
    ['ÉCOLE', 'école'],
    ['東京、日本。', '東京日本'],
    ['Ｔｏｋｙｏ', 'tokyo'],
    ['theatre and anthem', 'theatre and anthem'],
    ['the the', ''],
  ])('%j becomes %j', (text, expected) => expect(normalizeAnswer(text)).toBe(expected));

  it('leaves single spaces and no punctuation of any text', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), (text) => {
        const normal = normalizeAnswer(text);
        expect(normal).toBe(normal.trim());
        expect(normal).not.toMatch(/[\p{P}\p{S}]|\s\s/u);
      }),
    );
  });
});

describe('scoreAnswer', () => {
  it.each([
    // Output, gold answers, accuracy, EM, F1: by hand.
    ['The Romantics.', ['romantics'], 1, 1, 1],
    ['It was the Romantics', ['The Romantics'], 1, 0, 0.5], // [it was romantics] against [romantics]: 2·1/(3+1)
    ['in October 1973', ['1973', 'October 1973'], 1, 0, 0.8], // 2·2/(3+2)
    ['', ['x'], 0, 0, 0],
    ['I do not know', ['Paris'], 0, 0, 0],
    ['paris paris', ['Paris'], 1, 0, 2 / 3], // a word counts as often as both have it
    ['because', ['us'], 1, 0, 0], // a substring, not a word: the paper's measure
    ['MÉNAGE À TROI', ['"Ménage à Troi"'], 1, 1, 1],
    ['A', ['A'], 1, 1, 1],
    ['anything', ['A'], 0, 0, 0],
  ] as const)('%j against %j', (output, answers, accuracy, em, f1) => {
    const scores = scoreAnswer(output, answers);
    expect(scores.accuracy).toBe(accuracy);
    expect(scores.em).toBe(em);
    expect(scores.f1).toBeCloseTo(f1, 12);
  });

  it('is right about any text that holds the answer, and EM never exceeds the others', () => {
    fc.assert(
      fc.property(fc.string(), fc.stringMatching(/^[b-z]{2,8}$/), fc.string(), (before, gold, after) => {
        expect(scoreAnswer(`${before} ${gold} ${after}`, [gold]).accuracy).toBe(1);
        const { accuracy, em, f1 } = scoreAnswer(before, [gold, after || 'x']);
        expect(em).toBeLessThanOrEqual(accuracy);
        expect(em).toBeLessThanOrEqual(f1);
        expect(f1).toBeLessThanOrEqual(1);
      }),
    );
  });
});

it('F1 is symmetric', () => {
  fc.assert(
    fc.property(fc.stringMatching(/^([b-d] ){0,5}[b-d]$/), fc.stringMatching(/^([b-d] ){0,5}[b-d]$/), (a, b) => {
      expect(tokenF1(a, b)).toBe(tokenF1(b, a));
    }),
  );
});
