import iconvModule from 'iconv-lite';
import { describe, expect, it } from 'vitest';
import { decodeText } from './decode-text.ts';
import { UnreadableFile } from './document.ts';

const iconv = iconvModule as unknown as typeof iconvModule.default;
const text = (bytes: Uint8Array | string, declared?: string) =>
  decodeText(typeof bytes === 'string' ? Buffer.from(bytes) : bytes, declared).text;

describe('labels', () => {
  // Bytes and what the web's table of encodings makes of them.
  it.each([
    ['iso-8859-1', [0x80, 0x93, 0x94, 0x96, 0x92], '€“”–’'],
    ['latin1', [0x80], '€'],
    ['us-ascii', [0x80, 0x9f], '€Ÿ'],
    ['iso_8859-1:1987', [0x99], '™'],
    ['iso-8859-9', [0x80, 0xfd], '€ı'],
    ['latin5', [0xdd], 'İ'],
    ['shift_jis', [0x81, 0x60, 0x87, 0x40], '～①'],
    ['x-sjis', [0xfa, 0x40], 'ⅰ'],
    ['gb2312', [0x80, 0x81, 0x40], '€丂'],
    ['gbk', [0x81, 0x30, 0x81, 0x30], '\u0080'],
    ['tis-620', [0x80, 0xa1], '€ก'],
    ['iso-8859-11', [0x85], '…'],
    ['ks_c_5601-1987', [0xb0, 0xa1], '가'],
    ['big5-hkscs', [0xa4, 0x40], '一'],
    ['iso-8859-16', [0xa4], '€'],
    ['koi8', [0xc1], 'а'],
    ['x-mac-cyrillic', [0xff], '€'],
    ['macintosh', [0xdb], '€'],
    ['ibm866', [0x80], 'А'],
    ['windows-1255', [0xe0], 'א'],
    ['x-user-defined', [0x80], '€'],
  ])('mean what they mean on the web: %s', (label, bytes, expected) => {
    expect(text(Uint8Array.from([0x61, ...bytes, 0x62]), label)).toBe(`a${expected}b`);
  });

  it('that are none, or cannot be decoded, leave it to the guess', () => {
    const bytes = iconv.encode('Größe über Höhe, äußerst schön. '.repeat(20), 'windows-1252');
    for (const label of ['no-such', 'replacement', 'iso-2022-kr', 'utf-16']) {
      expect(text(bytes, label)).toMatch(/^Größe über Höhe/);
    }
  });

  it('that lie give way to a guess', () => {
    const bytes = iconv.encode('Ключи меняются каждые девяносто дней. '.repeat(20), 'windows-1251');
    expect(text(bytes, 'euc-jp')).toMatch(/^Ключи меняются/);
  });

  it('name the encoding that was read', () => {
    expect(decodeText(Uint8Array.of(0x61, 0x80), 'latin1').encoding).toBe('windows-1252');
    expect(decodeText(Buffer.from('ä'), 'latin1').encoding).toBe('utf-8');
    const guessed = iconv.encode('Der Preis beträgt 90 € für „alles“ – schön. '.repeat(20), 'windows-1252');
    expect(text(guessed)).toMatch(/^Der Preis beträgt 90 € für „alles“ –/);
  });
});

describe('what is not text', () => {
  it.each([
    ['colours', '\u001b[32mok\u001b[0m done \u001b[1;31mfail\u001b[m\n', 'ok done fail\n'],
    ['titles and links', '\u001b]0;title\u0007a \u001b]8;;http://x\u001b\\link\u001b]8;;\u001b\\ b', 'a link b'],
    ['cursor moves and charsets', '\u001b(B\u001b[2J\u001b[1;1Hx\u001b7\u001b=y', 'xy'],
    ['overstruck letters', 'N\bNA\bAM\bME\bE _\bu_\bn', 'NAME un'],
    ['an end mark', 'small DOS file\r\n\u001a', 'small DOS file\n'],
    ['an end mark with padding', 'a\r\n\u001a\u001a\u0000\u001a', 'a\n'],
  ])('is taken out: %s', (_, raw, expected) => {
    expect(text(raw)).toBe(expected);
  });

  it.each([
    ['a run at the end', `${'line of a log\n'.repeat(40)}${'\0'.repeat(64)}`],
    ['a run at the start', `${'\0'.repeat(5000)}${'line of a log\n'.repeat(40)}`],
    ['one in a kilobyte', `${'x'.repeat(500)}\0${' word'.repeat(100)}`],
    ['one in a small file', 'a word\0 and more'],
  ])('is taken out: NULs, %s', (_, raw) => {
    const { text: found, notes } = decodeText(Buffer.from(raw));
    expect(found).toBe(raw.replaceAll('\0', ''));
    expect(notes).toEqual([expect.stringMatching(/^\d+ NUL bytes are taken out$/)]);
  });

  it('is taken out of other encodings, too', () => {
    const line = 'Größe über Höhe der Brücke, äußerst schön. ';
    const bytes = Buffer.concat([iconv.encode(line.repeat(20), 'windows-1252'), Buffer.alloc(64)]);
    expect(text(bytes)).toBe(line.repeat(20));
  });

  it('leaves ISO-2022-JP be, whose escapes look like a terminal\u2019s', () => {
    // JIS X 0208 of 鍵 is 0x3830, of は 0x244F.
    const bytes = Buffer.from('key: \u001b$B80$O\u001b(B.\n', 'latin1');
    expect(decodeText(bytes)).toMatchObject({ text: 'key: 鍵は.\n', encoding: 'iso-2022-jp' });
  });

  it.each([
    ['records with NULs', Buffer.from('ab\0cd\0ef\0gh\0'.repeat(50))],
    [
      'UTF-16 of Chinese without a mark',
      iconv.encode('钥匙每九十天更换一次。这对安全很重要。\n'.repeat(30), 'utf-16le'),
    ],
    ['zeros', Buffer.alloc(100)],
    ['an ELF', Buffer.from('7f454c4602010100000000000000000003003e0001000000', 'hex')],
    ['bells', Buffer.from('\u0007ab'.repeat(100))],
  ])('is all there is in %s', (_, bytes) => {
    expect(() => decodeText(bytes)).toThrow(UnreadableFile);
  });
});
