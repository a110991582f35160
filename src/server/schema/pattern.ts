/**
 * A regular expression to a GBNF expression of the JSON strings that match it.
 *
 * Regular in the strict sense: classes, groups, alternatives, repetitions, and the anchors of the whole. Look-around,
 * word boundaries, back-references and properties of Unicode are not, and give undefined. Nothing is ever run.
 */
import { type AST, RegExpParser } from '@eslint-community/regexpp';
import { complement, oneOf, type Range } from './characters.ts';

export interface PatternGrammar {
  readonly text: string;
  /** Bounds on the characters of what matches. */
  readonly length: readonly [least: number, most: number];
}

/** A grammar of more than this costs more than it is worth. */
const maxPatternChars = 4096;
const maxRepeats = 2000;
const digits: readonly Range[] = [[0x30, 0x39]];
const words: readonly Range[] = [...digits, [0x41, 0x5a], [0x5f, 0x5f], [0x61, 0x7a]];
const spaces: readonly Range[] = [
  [0x09, 0x0d],
  [0x20, 0x20],
  [0xa0, 0xa0],
  [0x1680, 0x1680],
  [0x2000, 0x200a],
  [0x2028, 0x2029],
  [0x202f, 0x202f],
  [0x205f, 0x205f],
  [0x3000, 0x3000],
  [0xfeff, 0xfeff],
];
/** What `.` leaves out. */
const lineEnds: readonly Range[] = [
  [0x0a, 0x0a],
  [0x0d, 0x0d],
  [0x2028, 0x2029],
];

class NotRegular extends Error {}

/** Undefined where the pattern is not a regular expression of JavaScript's, or is not regular. */
export function patternGrammar(source: string): PatternGrammar | undefined {
  if (source.length > maxPatternChars) return undefined;
  const pattern = parse(source);
  if (pattern === undefined) return undefined;
  try {
    return alternatives(pattern.alternatives.map(anchored));
  } catch (error) {
    if (error instanceof NotRegular) return undefined;
    throw error;
  }
}

function parse(source: string): AST.Pattern | undefined {
  for (const unicode of [true, false]) {
    try {
      return new RegExpParser({ ecmaVersion: 2025 }).parsePattern(source, 0, source.length, { unicode });
    } catch {
      // Without the flag more is allowed.
    }
  }
  return undefined;
}

/** An alternative of the whole pattern: without an anchor, anything may stand before or behind it. */
function anchored({ elements }: AST.Alternative): PatternGrammar {
  const isEdge = (element: AST.Element | undefined, kind: 'start' | 'end') =>
    element?.type === 'Assertion' && element.kind === kind;
  const begins = isEdge(elements[0], 'start');
  const ends = isEdge(elements.at(-1), 'end');
  const inner = elements.slice(begins ? 1 : 0, ends ? -1 : undefined).map(element);
  const free: PatternGrammar = { text: 'char*', length: [0, Number.POSITIVE_INFINITY] };
  return sequence([...(begins ? [] : [free]), ...inner, ...(ends ? [] : [free])]);
}

function element(node: AST.Element): PatternGrammar {
  switch (node.type) {
    case 'Character':
      return set([[node.value, node.value]]);
    case 'CharacterSet':
    case 'CharacterClass':
      return set(rangesOf(node));
    case 'Group':
    case 'CapturingGroup': {
      if (node.type === 'Group' && node.modifiers) throw new NotRegular();
      const inner = alternatives(node.alternatives.map(({ elements }) => sequence(elements.map(element))));
      return { ...inner, text: inner.text === '' ? '' : `(${inner.text})` };
    }
    case 'Quantifier':
      return repeated(element(node.element), node.min, node.max);
    default:
      throw new NotRegular();
  }
}

function repeated({ text, length: [least, most] }: PatternGrammar, min: number, max: number): PatternGrammar {
  if (min > maxRepeats || (max !== Number.POSITIVE_INFINITY && max > maxRepeats)) throw new NotRegular();
  if (text === '' || max === 0) return { text: '', length: [0, 0] };
  // A repetition of what may be nothing has endless readings.
  if (least === 0 && max > 1) throw new NotRegular();
  const times = max === Number.POSITIVE_INFINITY ? `{${min},}` : `{${min},${max}}`;
  return { text: `${text}${times}`, length: [least * min, most * max] };
}

function rangesOf(node: AST.CharacterSet | AST.CharacterClass | AST.CharacterClassElement): readonly Range[] {
  switch (node.type) {
    case 'Character':
      return [[node.value, node.value]];
    case 'CharacterClassRange':
      return [[node.min.value, node.max.value]];
    case 'CharacterClass': {
      const inner = node.elements.flatMap((one) => rangesOf(one as AST.CharacterClassElement));
      return node.negate ? complement(inner) : inner;
    }
    case 'CharacterSet': {
      if (node.kind === 'any') return complement(lineEnds);
      if (node.kind === 'property') throw new NotRegular();
      const inner = { digit: digits, word: words, space: spaces }[node.kind];
      return node.negate ? complement(inner) : inner;
    }
    default:
      throw new NotRegular();
  }
}

function set(ranges: readonly Range[]): PatternGrammar {
  const text = oneOf(ranges);
  if (text === undefined) throw new NotRegular();
  return { text, length: [1, 1] };
}

function sequence(parts: readonly PatternGrammar[]): PatternGrammar {
  const sum = (at: 0 | 1) => parts.reduce((total, { length }) => total + length[at], 0);
  return {
    text: parts
      .map(({ text }) => text)
      .filter((text) => text !== '')
      .join(' '),
    length: [sum(0), sum(1)],
  };
}

function alternatives(parts: readonly PatternGrammar[]): PatternGrammar {
  const [first] = parts;
  if (parts.length === 1 && first !== undefined) return first;
  const lengths = parts.map(({ length }) => length);
  return {
    text: `(${parts.map(({ text }) => (text === '' ? '""' : text)).join(' | ')})`,
    length: [Math.min(...lengths.map(([least]) => least)), Math.max(...lengths.map(([, most]) => most))],
  };
}
