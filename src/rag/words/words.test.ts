import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { openWords } from './words.ts';

const english = await openWords('English');

/** What a question asks for stands among the words of the text. */
function finds(text: string, question: string, words = english): boolean {
  const all = new Set(words.all(text));
  const asked = words.content(question);
  return asked.length > 0 && asked.every((word) => all.has(word));
}

describe('words', () => {
  it('leave out function words, endings, accents and case', () => {
    expect(english.content('How are the Keys rotated?')).toEqual(english.content('key rotating'));
    expect(english.content('Café bridges')).toEqual(english.content('cafe bridge'));
    expect(english.content('what is it?')).toEqual([]);
    expect(english.content("it isn't, can't, won't be; who's a king's?")).toEqual(english.content('king'));
    expect(english.all('the of and a')).toEqual([]);
  });

  it('look into names, and keep numbers as they are', () => {
    expect(finds('rotateKeys(bridgeId)', 'rotate the keys')).toBe(true);
    expect(finds('rotate keys', 'rotateKeys')).toBe(true);
    expect(finds('HTTPServerError', 'server errors')).toBe(true);
    for (const id of ['CVE-2031-12345', 'v2.3.1', 'user_id', '10.20.30.40', 'X100/45-B']) {
      expect(finds(`see ${id}.`, id)).toBe(true);
    }
    expect(finds('1,853,000 people', '1853000')).toBe(true);
    expect(finds('1853000 people', '1,853,000')).toBe(true);
    expect(finds('version 10.200.300', 'version 10.200')).toBe(true);
    expect(finds('10,200 and 7', '200')).toBe(true);
    expect(finds('in 1911', '1912')).toBe(false);
  });

  it.each([
    ['soft hyphens', 'Wind\u00admühlen\u00adflügel', 'Windmühlenflügel'],
    ['zero-width characters', 'zero\u200bwidth\u2060joi\ufeffned', 'zerowidthjoined'],
    ['decomposed accents', 'U\u0308bergangsjacken', 'Übergangsjacken'],
    ['composed accents', 'Übergangsjacken', 'U\u0308bergangsjacken'],
    ['full-width forms', 'ＡＢＣ－１２３４', 'ABC-1234'],
    ['half-width kana', 'ﾃﾞｰﾀﾍﾞｰｽ', 'データベース'],
    ['ligatures', 'eﬃcient oﬃce', 'efficient office'],
    ['marks of trade', 'Acme™ and Zeta®', 'acme zeta'],
    ['marks of direction', '\u200fשלום\u200e', 'שלום'],
    ['variation selectors', 'a\ufe0fb', 'ab'],
    ['letters with strokes', 'Łódź, Ærø, Straße', 'lodz aero strasse'],
    ['a dotless i', 'ISPARTA ısparta', 'isparta'],
    ['digits of other scripts', '٢٠٢٤ ๒๕๖๗ २०२४ ۱۳۹۹', '2024 2567 2024 1399'],
    ['Hebrew points', 'שָׁלוֹם', 'שלום'],
    ['Arabic marks and letters', 'اَلْمُفْتَاحُ فِي ٱلمكتبة', 'المفتاح المكتبه'],
    ['presentation forms', 'ﻣﻔﺘﺎﺡ', 'مفتاح'],
    ['Persian letters', 'کتاب علی', 'كتاب علي'],
    ['Cyrillic stress and ё', 'за\u0301мок, ещё самолёт', 'замок самолет'],
    ['Greek accents and sigma', 'Η ΓΕΦΥΡΑ ΤΗΣ ΠΟΛΗΣ', 'γέφυρα πόλης'],
    ['Vietnamese without accents', 'Hà Nội', 'ha noi'],
  ])('are one spelling of %s', (_, text, question) => {
    expect(finds(text, question)).toBe(true);
    expect(finds(question, text)).toBe(true);
  });

  it.each([
    ['Russian', 'Мосты открыты в городе', 'открытый мост'],
    ['Greek', 'οι γέφυρες της πόλης', 'γέφυρα'],
    ['Arabic', 'المفاتيح في المكتب', 'مفاتيح مكتب'],
    ['Hindi', 'लड़कियों के लिए', 'लड़की'],
  ])('of %s lose their endings in an index of another language', (_, text, question) => {
    expect(finds(text, question)).toBe(true);
  });

  it('go by the language of the index', async () => {
    const german = await openWords('de');
    expect(german.language).toBe('German');
    expect(finds('Die Windmühlen der Häuser', 'Windmühle Haus', german)).toBe(true);
    expect(finds('Die Windmühlen der Häuser', 'Windmühle Haus')).toBe(false);
    expect(german.content('Wie ist das mit der Windmühle?')).toEqual(german.content('Windmühle'));
    const vietnamese = await openWords('Vietnamese');
    expect(finds('cầu', 'câu', vietnamese)).toBe(false);
    const none = await openWords('none');
    expect(none.all('the Keys')).toEqual(['the', 'keys']);
  });

  it.each([
    ['Chinese', '长江大桥于一九五七年通车，全长一千六百七十米。', '长江大桥', ['大桥', '通车']],
    ['Japanese', '東京タワーは1958年に完成しました。', '東京タワー', ['東京', 'タワ', '完成']],
    ['Korean', '한강대교는 서울에서 가장 오래된 다리이다.', '한강대교', ['한강', '대교']],
    ['Thai', 'สะพานพระรามแปดเปิดใช้ในปี ๒๕๔๕', 'สะพานพระรามแปด', ['2545']],
    ['Lao', 'ຂົວມິດຕະພາບລາວໄທ', 'ມິດຕະພາບ', []],
    ['Khmer', 'ស្ពានអាកាសក្នុងទីក្រុងភ្នំពេញ', 'ភ្នំពេញ', []],
    ['Burmese', 'ရန်ကုန်မြို့တံတား', 'တံတား', []],
  ])('of %s are found inside a sentence without blanks', (_, text, question, some) => {
    const all = new Set(english.all(text));
    for (const word of [...some, ...english.content(question)]) {
      expect([...all]).toContain(word);
    }
  });

  it('let one character be asked for where it may be a word', () => {
    expect(finds('黒猫が寝ている', '猫')).toBe(true);
    expect(finds('小猫在睡觉', '猫')).toBe(true);
    expect(finds('小狗在睡觉', '猫')).toBe(false);
  });

  it('hold no blank, no capital that a fold would miss, and are the same for every spelling', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary', maxLength: 60 }), (text) => {
        const all = english.all(text);
        for (const word of all) expect(word).toMatch(/^[^\s]+$/u);
        expect(english.all(text.normalize('NFD'))).toEqual(english.all(text.normalize('NFC')));
        const present = new Set(all);
        for (const word of english.content(text)) expect(present).toContain(word);
      }),
      { numRuns: 200 },
    );
  });

  it('are found by their beginning when they are very long', () => {
    const long = `${'x'.repeat(200)}y`;
    expect(finds(long, long)).toBe(true);
    expect(Math.max(...english.all(`${long} 😀${'𠀀'.repeat(90)}`).map((word) => word.length))).toBeLessThanOrEqual(64);
  });
});
