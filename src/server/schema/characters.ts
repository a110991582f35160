/** Sets of characters as they may stand in a JSON string, as expressions of a GBNF grammar. Ranges are inclusive. */

export type Range = readonly [first: number, last: number];

const quote = 0x22;
const backslash = 0x5c;
/** Characters that JSON writes with a backslash, and how. */
const escaped: ReadonlyMap<number, string> = new Map([
  [quote, '"\\\\\\""'],
  [backslash, '"\\\\\\\\"'],
  [0x08, '"\\\\b"'],
  [0x0c, '"\\\\f"'],
  [0x0a, '"\\\\n"'],
  [0x0d, '"\\\\r"'],
  [0x09, '"\\\\t"'],
]);

/**
 * What a set may hold: no surrogates, and nothing beyond them, of which some implementations count one character as two.
 */
const everything: readonly Range[] = [
  [0, 0xd7ff],
  [0xe000, 0xffff],
];

/** The ranges in order, none touching another. */
export function normalized(ranges: readonly Range[]): Range[] {
  const sorted = ranges.toSorted(([a], [b]) => a - b);
  const out: [number, number][] = [];
  for (const [first, last] of sorted) {
    const before = out.at(-1);
    if (before !== undefined && first <= before[1] + 1) before[1] = Math.max(before[1], last);
    else out.push([first, last]);
  }
  return out;
}

/** What is not in the ranges. */
export function complement(ranges: readonly Range[]): Range[] {
  const out: Range[] = [];
  for (const [from, to] of everything) {
    let at = from;
    for (const [first, last] of normalized(ranges)) {
      if (last < at || first > to) continue;
      if (first > at) out.push([at, first - 1]);
      at = last + 1;
    }
    if (at <= to) out.push([at, to]);
  }
  return out;
}

/** One character of the set; undefined when JSON has none of them. */
export function oneOf(ranges: readonly Range[]): string | undefined {
  const plain: string[] = [];
  const options: string[] = [];
  for (const [first, last] of complement(complement(ranges))) {
    for (const [code, text] of escaped) if (code >= first && code <= last) options.push(text);
    let at = Math.max(first, 0x20);
    for (const hole of [quote, backslash, 0x7f]) {
      if (hole < at || hole > last) continue;
      if (hole > at) plain.push(span(at, hole - 1));
      at = hole + 1;
    }
    if (at <= last) plain.push(span(at, last));
  }
  if (plain.length > 0) options.unshift(`[${plain.join('')}]`);
  if (options.length === 0) return undefined;
  return options.length === 1 ? options[0] : `(${options.join(' | ')})`;
}

function span(first: number, last: number): string {
  return first === last ? member(first) : `${member(first)}-${member(last)}`;
}

/** A character within brackets: letters and digits as they are. */
function member(code: number): string {
  const text = String.fromCodePoint(code);
  if (/[A-Za-z0-9]/.test(text)) return text;
  const hex = code.toString(16);
  if (code <= 0xff) return `\\x${hex.padStart(2, '0')}`;
  return code <= 0xffff ? `\\u${hex.padStart(4, '0')}` : `\\U${hex.padStart(8, '0')}`;
}
