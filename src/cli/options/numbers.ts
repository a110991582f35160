/**
 * Strict reading of numbers on the command line: all of the text must be the number, and in range.
 *
 * Each function returns a parser for one option, which throws INVALID_ARGUMENT naming option and value.
 */
import { BlockAttentionError } from '@block-attention/engine/internal/base';
import { invalid } from '../terminal/errors.ts';

export interface NumberRange {
  readonly min?: number;
  readonly max?: number;
  /** Whole numbers only. */
  readonly whole?: boolean;
}

const decimal = /^[+-]?(\d+(\.\d*)?|\.\d+)(e[+-]?\d+)?$/i;

export function numberOption(name: string, range: NumberRange = {}): (text: string) => number {
  return (text) => {
    const value = decimal.test(text) ? Number(text) : Number.NaN;
    const { min = -Infinity, max = Infinity, whole = false } = range;
    const inside = Number.isFinite(value) && value >= min && value <= max;
    if (inside && (!whole || Number.isSafeInteger(value))) return value;
    throw invalid(`${name} is ${JSON.stringify(text)}: give ${describe(range)}`);
  };
}

/** `4`, or `auto`. */
export function threadsOption(name: string): (text: string) => number | 'auto' {
  const number = numberOption(name, { min: 1, max: 512, whole: true });
  return (text) => {
    if (text === 'auto') return text;
    try {
      return number(text);
    } catch (error) {
      throw BlockAttentionError.isInstance(error) ? invalid(`${error.message}, or auto`) : error;
    }
  };
}

/** `50,512,1024`: whole numbers of at least 1, each once, in ascending order whatever theirs was. */
export function listOption(name: string): (text: string) => number[] {
  const parse = numberOption(name, { min: 1, whole: true });
  return (text) => [...new Set(text.split(',').map((part) => parse(part.trim())))].sort((a, b) => a - b);
}

const byteUnits: Readonly<Record<string, number>> = {
  '': 1,
  b: 1,
  kib: 2 ** 10,
  mib: 2 ** 20,
  gib: 2 ** 30,
  tib: 2 ** 40,
  kb: 1e3,
  mb: 1e6,
  gb: 1e9,
  tb: 1e12,
};

/** `500MB`, `2GiB`, or a plain number of bytes. @param least defaults to 0 */
export function bytesOption(name: string, least = 0): (text: string) => number {
  return (text) => {
    const [, digits = '', unit = ''] = /^(\d+(?:\.\d+)?)\s*([a-z]*)$/i.exec(text) ?? [];
    const factor = byteUnits[unit.toLowerCase()];
    const value = digits === '' || factor === undefined ? Number.NaN : Math.floor(Number(digits) * factor);
    if (Number.isSafeInteger(value) && value < least) {
      throw invalid(`${name} is ${JSON.stringify(text)}: give at least ${least} bytes, or nothing fits`);
    }
    if (Number.isSafeInteger(value)) return value;
    throw invalid(`${name} is ${JSON.stringify(text)}: give bytes such as 2GiB, 500MB or 1048576`);
  };
}

const durations: Readonly<Record<string, number>> = { s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 };

/** `30d`, `12h`, `90m`, `45s`: in ms. */
export function durationOption(name: string): (text: string) => number {
  return (text) => {
    const [, digits = '', unit = ''] = /^(\d+(?:\.\d+)?)([smhd])$/.exec(text) ?? [];
    const value = Number(digits) * (durations[unit] ?? 0);
    if (value > 0) return value;
    throw invalid(`${name} is ${JSON.stringify(text)}: give a time such as 30d, 12h, 90m or 45s`);
  };
}

function describe({ min, max, whole = false }: NumberRange): string {
  const kind = whole ? 'a whole number' : 'a number';
  if (min !== undefined && max !== undefined) return `${kind} from ${min} to ${max}`;
  if (min !== undefined) return `${kind} of at least ${min}`;
  return max === undefined ? kind : `${kind} of at most ${max}`;
}
