import { describe, expect, it } from 'vitest';
import { findLanguage, languages, requireLanguage } from './languages.ts';
import { openWords } from './words.ts';

describe('languages', () => {
  it.each([
    ['German', ['german', 'GERMAN', ' Deutsch ', 'de', 'DE', 'deu', 'ger', 'de-AT', 'de_CH']],
    ['English', ['english', 'EN', 'eng', 'en-GB']],
    ['French', ['français', 'Francais', 'fr', 'fra', 'fre']],
    ['Chinese', ['zh', 'zho', 'chi', 'zh-Hans', 'zh-TW', '中文', 'Mandarin']],
    ['Norwegian', ['no', 'nb', 'nn', 'nor', 'nb-NO', 'Bokmål']],
    ['Portuguese', ['pt-BR', 'pt_br', 'português']],
    ['Persian', ['fa', 'Farsi', 'per']],
    ['Serbian', ['sr-Latn', 'српски']],
    ['None', ['none', 'NONE']],
  ])('%s goes by %j', (name, spellings) => {
    for (const spelling of spellings) expect([spelling, findLanguage(spelling)?.name]).toEqual([spelling, name]);
  });

  it.each(['', ' ', 'Klingon', 'xx', 'constructor', '__proto__', 'de de', '\u0000', 'x'.repeat(10_000), 'Germann'])(
    'refuses %j with the names there are',
    (name) => {
      expect(findLanguage(name)).toBeUndefined();
      expect(() => requireLanguage(name)).toThrow(/give one of Arabic, Armenian.* Vietnamese, None/);
    },
  );

  it.each(languages.map((language) => [language.name, language] as const))(
    '%s cuts words',
    async (name, { code, own }) => {
      const words = await openWords(name);
      expect(words.language).toBe(name);
      expect(findLanguage(code)?.name).toBe(name);
      expect(findLanguage(own)?.name).toBe(name);
      for (const text of [
        own,
        'keys 1911',
        'мосты',
        'γέφυρες',
        'المفاتيح',
        'लड़कियों',
        'சாவிகள்',
        'բանալիներ',
        '東京',
        'ไทย',
      ]) {
        expect(words.all(text).length).toBeGreaterThan(0);
        expect(words.all(text)).toEqual(words.all(text));
      }
    },
  );
});
