/** Letters that readers take for the same, and marks that they leave out when they type, by script. */
import type { Script } from './languages.ts';

const scripts: readonly (readonly [Script, RegExp])[] = [
  ['latin', /\p{Script=Latin}/u],
  ['cyrillic', /\p{Script=Cyrillic}/u],
  ['greek', /\p{Script=Greek}/u],
  ['arabic', /\p{Script=Arabic}/u],
  ['hebrew', /\p{Script=Hebrew}/u],
  ['devanagari', /\p{Script=Devanagari}/u],
  ['armenian', /\p{Script=Armenian}/u],
  ['tamil', /\p{Script=Tamil}/u],
];

/** The script of a word's letters, by the first script that has any. */
export function scriptOf(word: string): Script {
  // Most words by far.
  if (/^[a-z0-9]+$/i.test(word)) return 'latin';
  return scripts.find(([, letters]) => letters.test(word))?.[0] ?? 'other';
}

/** Letters with a stroke and ligatures: no decomposition takes them apart. */
const latin: Readonly<Record<string, string>> = {
  ß: 'ss',
  æ: 'ae',
  œ: 'oe',
  ø: 'o',
  ł: 'l',
  đ: 'd',
  ð: 'd',
  þ: 'th',
  ħ: 'h',
  ı: 'i',
  ŧ: 't',
};
const arabic: Readonly<Record<string, string>> = { أ: 'ا', إ: 'ا', آ: 'ا', ٱ: 'ا', ى: 'ي', ی: 'ي', ک: 'ك', ة: 'ه' };

/** Spellings that are one before endings are cut: marks that dictionaries have and texts leave out. In lower case. */
export function foldMarks(word: string, script: Script): string {
  if (script === 'arabic') return word.replaceAll(/[\p{Mn}ـ]/gu, '').replaceAll(/[أإآٱىیکة]/g, (c) => arabic[c] ?? c);
  if (script === 'hebrew') return word.replaceAll(/\p{Mn}/gu, '');
  // Stress marks; й and ї are letters of their own, and composed.
  if (script === 'cyrillic') return word.replaceAll(/[\u0300\u0301]/g, '').replaceAll('ё', 'е');
  // The dot below that Urdu and loan words write.
  if (script === 'devanagari') return word.normalize('NFD').replaceAll('\u093c', '').normalize('NFC');
  if (script === 'greek') return word.replaceAll('ς', 'σ');
  return word;
}

/** Accents, which endings need and people leave out. In lower case. */
export function foldAccents(word: string, script: Script): string {
  if (script !== 'latin' && script !== 'greek') return word;
  const bare = word
    .normalize('NFD')
    .replaceAll(/\p{Mn}/gu, '')
    .normalize('NFC');
  return script === 'greek' ? bare : bare.replaceAll(/[ßæœøłđðþħıŧ]/g, (c) => latin[c] ?? c);
}
