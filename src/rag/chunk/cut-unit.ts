/** A unit that is too long, in pieces that fit: at sentences or lines, then words, then characters. */
import type { Unit } from '../load/document.ts';

export type CountTokens = (text: string) => number;

/** In order; the first that gives more than one piece is used. A piece keeps what follows it up to the next. */
const boundaries: Readonly<Record<Unit['cut'], readonly RegExp[]>> = {
  sentences: [/(?<=\n)(?=\n)/, /(?<=[.!?…]["'”’)\]]{0,2}\s)(?=\S)|(?<=[。！？])/u, /(?<=\n)/, /(?<=\s)(?=\S)/],
  lines: [/(?<=\n\s*\n)(?=\S)/, /(?<=\n)/, /(?<=\s)(?=\S)/],
};
/** No tokenizer makes fewer tokens than this of a character, for text worth reading. */
const charactersPerToken = 8;

/** The unit in pieces of at most `limit` tokens each; itself when it fits. */
export function cutUnit(unit: Unit, limit: number, count: CountTokens): Unit[] {
  if (unit.text.length < limit || count(unit.text) <= limit) return [unit];
  const pieces = cutText(unit.text, boundaries[unit.cut], limit, count);
  // Only where the text has the lines of the file can a piece be told from its neighbours by line.
  const exact = unit.text.split('\n').length === unit.endLine - unit.startLine + 1;
  let line = unit.startLine;
  return pieces.flatMap((piece, index) => {
    const breaks = piece.split('\n').length - 1;
    const lead = /^\s*/.exec(piece)?.[0].split('\n').length ?? 1;
    const text = index === 0 ? piece.trimEnd() : piece.replace(/^(\s*\n)+/, '').trimEnd();
    const startLine = exact ? line + lead - 1 : unit.startLine;
    const endLine = exact ? startLine + text.split('\n').length - 1 : unit.endLine;
    line += breaks;
    if (text.trim() === '') return [];
    const separator = index === 0 ? unit.separator : unit.cut === 'lines' ? '\n' : ' ';
    return [{ ...unit, text, startLine, endLine: Math.max(startLine, endLine), separator }];
  });
}

/** Pieces that joined are the text. */
function cutText(text: string, rules: readonly RegExp[], limit: number, count: CountTokens): string[] {
  const [rule, ...finer] = rules;
  if (rule === undefined) return cutCharacters(text, limit, count);
  const out: string[] = [];
  let open = '';
  let openTokens = 0;
  for (const part of text.split(rule)) {
    const tooLong = part.length > limit * charactersPerToken * 4;
    const tokens = tooLong ? Number.POSITIVE_INFINITY : count(part);
    if (openTokens + tokens <= limit) {
      open += part;
      openTokens += tokens;
      continue;
    }
    if (open !== '') out.push(open);
    open = '';
    openTokens = 0;
    if (tokens <= limit) {
      open = part;
      openTokens = tokens;
    } else {
      out.push(...cutText(part, finer, limit, count));
    }
  }
  if (open !== '') out.push(open);
  return out;
}

/** For text without a space, such as minified code or a long number. */
function cutCharacters(text: string, limit: number, count: CountTokens): string[] {
  const out: string[] = [];
  for (let from = 0; from < text.length; ) {
    let length = limit * charactersPerToken;
    while (length > 1 && count(whole(text, from, length)) > limit) length = Math.ceil(length / 2);
    const piece = whole(text, from, length);
    out.push(piece);
    from += piece.length;
  }
  return out;
}

/** A slice that does not end within a surrogate pair. */
function whole(text: string, from: number, length: number): string {
  const last = text.charCodeAt(from + length - 1);
  return text.slice(from, from + length + (last >= 0xd800 && last < 0xdc00 ? 1 : 0));
}
