/** Units and quantities: what a question asks for stands in a text that writes it as tables do. */
import { describe, expect, it } from 'vitest';
import { openWords } from './words.ts';

const english = await openWords('English');
const finds = (text: string, question: string, words = english) => {
  const all = new Set(words.all(text));
  const asked = words.content(question);
  return asked.length > 0 && asked.every((word) => all.has(word));
};

describe('numbers with units', () => {
  it.each([
    ['1,450 W while it heats', 'watts'],
    ['4W', 'how many watts?'],
    ['costs 12.50 €', 'euros'],
    ['for €149', 'euros'],
    ['$3', 'dollars'],
    ['US$ 3', 'dollars'],
    ['ages least at 60 %', 'percent'],
    ['60%', 'what percentage?'],
    ['between 10 and 15 °C', 'how many degrees?'],
    ['3 h 10 min', 'hours and minutes'],
    ['a cable of 1.8 m', 'metres'],
    ['1.8 m', 'meters'],
    ['0.9 kg', 'kilograms'],
    ['31 dB at one metre', 'decibels'],
    ['a 30-min break', 'minutes'],
    ['８ ＭＢ', 'megabytes'],
  ])('%s is found by %s', (text, question) => {
    expect(finds(text, question)).toBe(true);
  });

  it.each([
    ['vitamin C and plan W', 'watts'],
    ['the m in 4 methods', 'metres'],
    ['C4 Werk', 'watts'],
    ['12 Wh', 'watts'],
    ['a euro', 'percent'],
    ['5 grapes', 'grams'],
  ])('%s is not found by %s', (text, question) => {
    expect(finds(text, question)).toBe(false);
  });

  it('are words of the text besides their symbol, and none of a question', () => {
    expect(finds('4 kg', '4 kg')).toBe(true);
    expect(english.content('more than 4 kg?')).toEqual(['4', 'kg']);
  });
});

describe('quantities', () => {
  it.each([
    ['| Weight | 0.9 kg |', 'How much does it weigh?'],
    ['| Weight | 0.9 kg |', 'how heavy is it?'],
    ['| Price | 149 € |', 'what does it cost?'],
    ['the cost per person', 'prices'],
    ['1,200 € a year', 'the yearly amount'],
    ['each month', 'monthly'],
    ['Width: 40 cm', 'how wide is it?'],
    ['call our telephone', 'phone'],
  ])('%s is found by %s', (text, question) => {
    const asked = english.content(question).filter((word) => word !== english.content('amount')[0]);
    expect(asked.length).toBeGreaterThan(0);
    const all = new Set(english.all(text));
    expect(asked.filter((word) => !all.has(word))).toEqual([]);
    expect(finds(question, question)).toBe(true);
  });

  it('stay apart from each other', () => {
    expect(finds('weight', 'width')).toBe(false);
    expect(finds('a monthly fee', 'yearly')).toBe(false);
    expect(finds('price', 'prize')).toBe(false);
  });

  it('are of English alone', async () => {
    const german = await openWords('German');
    expect(finds('4 W', 'watt', german)).toBe(false);
    expect(german.content('day daily')).toHaveLength(2);
  });
});

it('words that any question may have ask for nothing', () => {
  expect(english.content('How long do I have to return something?')).toEqual(english.content('return'));
  expect(english.content('What does E07 mean?')).toEqual(['e07']);
});
