/**
 * One spelling for what can be written in several: what is indexed and what is asked go through here, or they miss
 * each other. Knows no language.
 *
 * Full-width and half-width forms, ligatures and decomposed accents become one (NFKC); soft hyphens, zero-width
 * characters, marks of direction and variation selectors go; digits of all scripts become 0 to 9.
 */

/** They would stick to the word before. */
const trademarks = /[™®©℠]/g;
/** U+00AD, U+200B to U+200F, U+2060, U+FEFF, variation selectors and their like: they show nothing. */
const invisible = /\p{Default_Ignorable_Code_Point}+/gu;
const foreignDigits = /(?![0-9])\p{Nd}/gu;

export function normalize(text: string): string {
  return text
    .replaceAll(trademarks, ' ')
    .normalize('NFKC')
    .replaceAll(invisible, '')
    .replaceAll(foreignDigits, (digit) => String(digitValue(digit)));
}

/** The ten digits of a script stand in a row that begins at a code point ending in 0 or 6 (hexadecimal). */
function digitValue(digit: string): number {
  const code = digit.codePointAt(0) ?? 0;
  const low = code & 15;
  const beginsAt0 = low < 6 || /\p{Nd}/u.test(String.fromCodePoint(code - low));
  return beginsAt0 ? low : low - 6;
}
