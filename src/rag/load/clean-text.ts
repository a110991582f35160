/**
 * Takes out of text files what is not text and stands there all the same: colours and other commands to a terminal,
 * overstruck letters of manual pages, NULs of a log whose writer crashed, the end mark of DOS. Line ends become `\n`,
 * so that a checkout on Windows gives the same blocks. Linear in the text.
 */
import { UnreadableFile } from './document.ts';

/** Runs of NULs per byte beyond which they belong to the format. */
const mostNulRuns = 0.01;

const [start, bell, back] = ['\u001b', '\u0007', '\b'];
/** CSI, then OSC and other strings with their end, then two- and three-character escapes (ECMA-48). */
const commands = [
  String.raw`\[[0-?]*[ -/]*[@-~]`,
  String.raw`[\]PX^_][^${bell}${start}\n]*(?:${bell}|${start}\\)?`,
  '[ -/]+[0-~]',
  String.raw`[0-Z\\^-~]`,
];
const escapes = new RegExp(`${start}(?:${commands.join('|')})`, 'g');
const overstruck = new RegExp(String.raw`[^\n${back}]${back}(?=[^\n${back}])`, 'g');

/**
 * The bytes without NULs, where these are few or in few runs.
 * @throws UnreadableFile where they are many
 */
export function withoutNuls(bytes: Uint8Array): { readonly bytes: Uint8Array; readonly nuls: number } {
  if (!bytes.includes(0)) return { bytes, nuls: 0 };
  const kept = new Uint8Array(bytes.length);
  let length = 0;
  let runs = 0;
  for (let from = 0; from < bytes.length; ) {
    const next = bytes.indexOf(0, from);
    const end = next < 0 ? bytes.length : next;
    kept.set(bytes.subarray(from, end), length);
    length += end - from;
    if (next < 0) break;
    runs += 1;
    for (from = end; bytes[from] === 0; ) from += 1;
  }
  if (runs > Math.max(1, length * mostNulRuns) || length === 0) throw new UnreadableFile('it is binary data, not text');
  return { bytes: kept.subarray(0, length), nuls: bytes.length - length };
}

export function cleanText(raw: string): { readonly text: string; readonly notes: readonly string[] } {
  let text = raw.replaceAll(/\r\n?/g, '\n').replaceAll(/\p{Surrogate}/gu, '\uFFFD');
  const before = text.length;
  if (text.includes(start)) text = text.replaceAll(escapes, '');
  if (text.includes(back)) text = text.replaceAll(overstruck, '');
  const notes = text.length < before ? ['commands to a terminal are taken out'] : [];
  return { text: withoutEndMark(text), notes };
}

/** Control-Z ends a file of DOS; white space and more of it may follow. */
function withoutEndMark(text: string): string {
  let end = text.length;
  while (end > 0 && (text.charAt(end - 1) === '\u001a' || text.charAt(end - 1).trim() === '')) end -= 1;
  const mark = text.indexOf('\u001a', end);
  return mark < 0 ? text : text.slice(0, mark);
}
