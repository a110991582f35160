/**
 * Bytes to text, whatever the encoding, and refusing what is no text at all.
 *
 * A byte order mark decides; else UTF-8 if it decodes; else what the file itself declares (HTML); else UTF-16 by where
 * its zeros lie; else a statistical guess. Line ends become `\n`, so that a checkout on Windows gives the same blocks.
 */
import { detect } from 'chardet';
import iconvModule from 'iconv-lite';
import { UnreadableFile } from './document.ts';

// Its types describe an ES module, the package is CommonJS.
const iconv = iconvModule as unknown as typeof iconvModule.default;

/** Bytes that the guesses look at. */
const sampleBytes = 64 * 1024;
/** Of the characters: more than this share of control or replacement characters is no text. */
const mostJunk = 0.02;

export interface DecodedText {
  readonly text: string;
  /** Name of the encoding. */
  readonly encoding: string;
}

/**
 * @param declared encoding that the file names itself, if any
 * @throws UnreadableFile for binary data
 */
export function decodeText(bytes: Uint8Array, declared?: string): DecodedText {
  const { encoding, text } = decode(bytes, declared);
  if (junkShare(text) > mostJunk) throw new UnreadableFile('it is binary data, no text');
  return { encoding, text: text.replaceAll(/\r\n?/g, '\n').replaceAll(/\p{Surrogate}/gu, '\uFFFD') };
}

function decode(bytes: Uint8Array, declared: string | undefined): DecodedText {
  const [a, b, c] = bytes;
  if (a === 0xef && b === 0xbb && c === 0xbf) return using('utf-8', bytes.subarray(3));
  if (a === 0xff && b === 0xfe) return using('utf-16le', bytes.subarray(2));
  if (a === 0xfe && b === 0xff) return using('utf-16be', bytes.subarray(2));
  if (!bytes.subarray(0, sampleBytes).includes(0)) {
    try {
      return { encoding: 'utf-8', text: new TextDecoder('utf-8', { fatal: true }).decode(bytes) };
    } catch {
      // Another encoding, or UTF-8 with a flaw: see below.
    }
    if (declared !== undefined && iconv.encodingExists(declared) && !/^utf-?16/i.test(declared)) {
      return using(declared, bytes);
    }
  }
  const wide = sixteenBit(bytes);
  if (wide !== undefined) return using(wide, bytes);
  if (bytes.subarray(0, sampleBytes).includes(0)) throw new UnreadableFile('it is binary data, no text');
  if (mostlyUtf8(bytes)) return using('utf-8', bytes);
  const guess = detect(bytes.subarray(0, sampleBytes)) ?? 'windows-1252';
  return using(iconv.encodingExists(guess) ? guess : 'windows-1252', bytes);
}

function using(encoding: string, bytes: Uint8Array): DecodedText {
  const name = encoding.toLowerCase();
  return { encoding: name, text: iconv.decode(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length), name) };
}

/** UTF-16 without a mark: in texts of most languages every other byte is often zero. */
function sixteenBit(bytes: Uint8Array): 'utf-16le' | 'utf-16be' | undefined {
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
