/**
 * Learns a byte-level BPE vocabulary from texts: the pairs that occur most often become tokens, in that order.
 *
 * Words are cut as the pre-tokenizer `qwen2` of llama.cpp cuts them, so what is learned is what is used.
 */
const wordPattern =
  /(?:'[sS]|'[tT]|'[rR][eE]|'[vV][eE]|'[mM]|'[lL][lL]|'[dD])|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+/gu;

export interface BytePairs {
  /** The 256 bytes in GPT-2's printable spelling, then one token per merge. */
  readonly tokens: string[];
  /** `left right` in the order they were learned. */
  readonly merges: string[];
}

/**
 * @param texts a word that occurs often in one text counts once for it, so that made-up names stay in pieces
 * @param count merges to learn; fewer when no pair occurs twice
 */
export function learnBytePairs(texts: Iterable<string>, count: number): BytePairs {
  const alphabet = byteAlphabet();
  const words = countWords(texts, alphabet);
  const tokens = [...alphabet];
  const merges: string[] = [];
  while (merges.length < count) {
    const best = mostFrequentPair(words);
    if (best === undefined) break;
    const [left = '', right = ''] = best.split(' ');
    merges.push(best);
    tokens.push(left + right);
    for (const word of words) merge(word.pieces, left, right);
  }
  return { tokens, merges };
}

interface Word {
  readonly pieces: string[];
  readonly count: number;
}

function countWords(texts: Iterable<string>, alphabet: readonly string[]): Word[] {
  const counts = new Map<string, number>();
  for (const text of texts) {
    const distinct = new Set(text.match(wordPattern));
    for (const word of distinct) counts.set(word, (counts.get(word) ?? 0) + 1);
  }
  return [...counts].map(([word, count]) => ({
    pieces: Array.from(Buffer.from(word, 'utf8'), (byte) => alphabet[byte] ?? ''),
    count,
  }));
}

function mostFrequentPair(words: readonly Word[]): string | undefined {
  const counts = new Map<string, number>();
  for (const { pieces, count } of words) {
    for (let i = 0; i + 1 < pieces.length; i++) {
      const pair = `${pieces[i]} ${pieces[i + 1]}`;
      counts.set(pair, (counts.get(pair) ?? 0) + count);
    }
  }
  let best: string | undefined;
  let most = 1;
  for (const [pair, count] of counts) {
    // Ties go to the first in the alphabet, so that the order of the texts decides nothing.
    if (count > most || (count === most && best !== undefined && pair < best)) [best, most] = [pair, count];
  }
  return best;
}

function merge(pieces: string[], left: string, right: string): void {
  for (let i = 0; i + 1 < pieces.length; i++) {
    if (pieces[i] === left && pieces[i + 1] === right) pieces.splice(i, 2, left + right);
  }
}

/** GPT-2's printable stand-ins for the 256 bytes, in order of the bytes. */
function byteAlphabet(): string[] {
  const printable = (code: number) =>
    (code >= 33 && code <= 126) || (code >= 161 && code <= 172) || (code >= 174 && code <= 255);
  let next = 256;
  return Array.from({ length: 256 }, (_, code) => String.fromCodePoint(printable(code) ? code : next++));
}
