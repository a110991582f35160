/**
 * Bytes to text, whatever the encoding, and refusing what is not text at all.
 *
 * A byte order mark decides; else UTF-16 by where its zeros lie; else UTF-8 if it decodes; else what the file itself
 * declares; else a statistical guess. Names of encodings mean what they mean on the web (WHATWG Encoding Standard):
 * `iso-8859-1` is windows-1252. What terminals and old systems leave in text files is taken out (clean-text.ts).
 */
import { labelToName, TextDecoder as WebDecoder } from '@exodus/bytes/encoding.js';
import { detect } from 'chardet';
import { cleanText, withoutNuls } from './clean-text.ts';
import { UnreadableFile } from './document.ts';

/** Bytes that the guesses look at. */
const sampleBytes = 64 * 1024;
/** Of the characters: more than this share of control or replacement characters is not text. */
const mostJunk = 0.02;
/** The same where a guessed encoding stands beside NULs: far likelier that it is none. */
const mostJunkOfGuess = 0.002;

export interface DecodedText {
  readonly text: string;
  /** Name of the encoding, in lower case. */
  readonly encoding: string;
  /** What was taken out, a sentence each. */
  readonly notes: readonly string[];
}

interface Decoding {
  readonly text: string;
  readonly encoding: string;
  readonly mostJunk: number;
}

/**
 * @param declared label of the encoding that the file names itself, if any
 * @throws UnreadableFile for binary data
 */
export function decodeText(bytes: Uint8Array, declared?: string): DecodedText {
  const wide = sixteenBit(bytes);
  const { bytes: plain, nuls } = wide === undefined ? withoutNuls(bytes) : { bytes, nuls: 0 };
  const tried = wide === undefined ? eightBit(plain, declared, nuls > 0) : [decoding(wide, plain)];
  for (const { text: raw, encoding, mostJunk: allowed } of tried) {
    const { text, notes } = cleanText(raw);
    if (junkShare(text) > allowed) continue;
    const found = nuls === 0 ? notes : [`${nuls} NUL bytes are taken out`, ...notes];
    return { encoding, text, notes: found };
  }
  throw new UnreadableFile('it is binary data, not text');
}

/** What bytes without a sign of UTF-16 may be, the likeliest first. */
function* eightBit(bytes: Uint8Array, declared: string | undefined, nuls: boolean): Generator<Decoding> {
  const japanese = sevenBitJapanese(bytes);
  if (japanese !== undefined) yield japanese;
  try {
    yield { encoding: 'utf-8', text: new TextDecoder('utf-8', { fatal: true }).decode(bytes), mostJunk };
    return;
  } catch {
    // Another encoding, or UTF-8 with a flaw.
  }
  if (bytes[0] === 0xef && bytes[1] === 0xbb && bytes[2] === 0xbf) yield decoding('utf-8', bytes);
  const named = declared === undefined ? undefined : webEncoding(declared);
  if (named !== undefined && !named.startsWith('utf-')) yield decoding(named, bytes);
  if (mostlyUtf8(bytes)) yield decoding('utf-8', bytes);
  const guess = webEncoding(detect(bytes.subarray(0, sampleBytes)) ?? '') ?? 'windows-1252';
  yield decoding(guess, bytes, nuls ? mostJunkOfGuess : mostJunk);
}

/** The encoding that the web means by a label, in lower case; undefined for none, or one that may not be decoded. */
function webEncoding(label: string): string | undefined {
  const name = labelToName(label)?.toLowerCase();
  if (name === 'replacement') return undefined;
  // What a page means that says so (HTML Standard, "prescan a byte stream").
  return name === 'x-user-defined' ? 'windows-1252' : name;
}

function decoding(encoding: string, bytes: Uint8Array, allowed = mostJunk): Decoding {
  return { encoding, text: new WebDecoder(encoding).decode(bytes), mostJunk: allowed };
}

/** ISO-2022-JP, which is UTF-8 as well: its escapes would be taken for a terminal's. */
function sevenBitJapanese(bytes: Uint8Array): Decoding | undefined {
  const sample = Buffer.from(bytes.buffer, bytes.byteOffset, Math.min(bytes.length, sampleBytes)).toString('latin1');
  if (!sample.includes('\u001b') || !/[^ -~]\$[@B]|[^ -~]\([JI]/.test(sample) || /[\u0080-\u00ff]/.test(sample))
    return undefined;
  const decoded = decoding('iso-2022-jp', bytes);
  return decoded.text.includes('\uFFFD') ? undefined : decoded;
}

/** UTF-16 by its mark, or without: in texts of most languages every other byte is often zero. */
function sixteenBit(bytes: Uint8Array): 'utf-16le' | 'utf-16be' | undefined {
  const [a, b] = bytes;
  if (a === 0xff && b === 0xfe) return 'utf-16le';
  if (a === 0xfe && b === 0xff) return 'utf-16be';
  const sample = bytes.subarray(0, sampleBytes);
  if (sample.length < 4 || bytes.length % 2 === 1) return undefined;
  const zeros = [0, 0];
  for (let i = 0; i < sample.length; i++) if (sample[i] === 0) zeros[i % 2] = (zeros[i % 2] ?? 0) + 1;
  const [even = 0, odd = 0] = zeros.map((count) => (2 * count) / sample.length);
  if (odd > 0.4 && even < 0.05) return 'utf-16le';
  return even > 0.4 && odd < 0.05 ? 'utf-16be' : undefined;
}

/** UTF-8 with a broken byte here and there, as concatenated logs have it. */
function mostlyUtf8(bytes: Uint8Array): boolean {
  const sample = bytes.subarray(0, sampleBytes);
  const text = new TextDecoder('utf-8').decode(sample);
  const broken = text.split('\uFFFD').length - 1;
  let multibyte = 0;
  for (const byte of sample) if (byte >= 0xc2) multibyte += 1;
  return broken > 0 && broken * 10 < multibyte;
}

/** Share of characters that no text has. */
function junkShare(text: string): number {
  if (text.length === 0) return 0;
  let junk = 0;
  // Long files are judged by three pieces.
  const piece = sampleBytes;
  const starts = text.length <= 3 * piece ? [0] : [0, (text.length - piece) >> 1, text.length - piece];
  const length = starts.length === 1 ? text.length : piece;
  for (const start of starts) {
    for (let i = start; i < start + length; i++) {
      const code = text.charCodeAt(i);
      if ((code < 32 && code !== 9 && code !== 10 && code !== 12 && code !== 13) || code === 0xfffd || code === 127) {
        junk += 1;
      }
    }
  }
  return junk / (starts.length * length);
}
