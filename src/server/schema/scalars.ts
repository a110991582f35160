/** Strings and numbers of a JSON schema to rules. */
import { refuse, type Start, show } from './keywords.ts';
import type { Schema } from './merge.ts';
import { numberGrammar } from './numbers.ts';
import { mostDigits } from './primitives.ts';
import { stringGrammar } from './strings.ts';

export interface Rule {
  readonly name: string;
  /** Readings that may be open at once while inside. */
  readonly readings: number;
  readonly starts: readonly Start[];
}

/** What a converter does for them. */
export interface Host {
  /** Names an expression. */
  rule(text: string, at: string): string;
  /** Notes that a keyword is left to the client. */
  leave(param: string, value: unknown): void;
  /** Looks for keywords beside those allowed. */
  only(schema: Schema, at: string, allowed: readonly string[]): void;
}

export function primitive(name: Start): Rule {
  return { name, readings: 1, starts: [name] };
}

export function stringRule(schema: Schema, at: string, host: Host): Rule {
  host.only(schema, at, ['pattern', 'format', 'minLength', 'maxLength']);
  const text = (keyword: string) => {
    const value = schema[keyword];
    if (value === undefined || typeof value === 'string') return value;
    throw refuse(`${at}.${keyword}`, `it is ${show(value)}: give a text`);
  };
  const minLength = countOf(schema, 'minLength', at);
  const maxLength = countOf(schema, 'maxLength', at);
  const [pattern, format] = [text('pattern'), text('format')];
  if (pattern === undefined && format === undefined && !minLength && maxLength === undefined)
    return primitive('string');
  if (maxLength !== undefined && maxLength < (minLength ?? 0)) {
    throw refuse(`${at}.maxLength`, `${maxLength} is less than minLength, ${minLength}`);
  }
  const made = stringGrammar({ pattern, format, minLength, maxLength });
  if (made === undefined) throw refuse(at, 'no string of this form has such a length');
  for (const keyword of made.left) host.leave(`${at}.${keyword}`, schema[keyword]);
  return { name: host.rule(made.text, at), readings: pattern === undefined ? 1 : 2, starts: ['string'] };
}

export function numberRule(schema: Schema, integer: boolean, at: string, host: Host): Rule {
  host.only(schema, at, ['minimum', 'maximum', 'exclusiveMinimum', 'exclusiveMaximum', 'multipleOf', 'format']);
  const [min, minOpen] = boundOf(schema, 'minimum', 'exclusiveMinimum', at, (a, b) => a >= b);
  const [max, maxOpen] = boundOf(schema, 'maximum', 'exclusiveMaximum', at, (a, b) => a <= b);
  const { multipleOf: step } = schema;
  if (step !== undefined && !(typeof step === 'number' && step > 0)) {
    throw refuse(`${at}.multipleOf`, `it is ${show(step)}: give a number above 0`);
  }
  const decimals =
    typeof step === 'number'
      ? Array.from({ length: 12 }, (_, i) => i).find((i) => Number(`1e-${i}`) === step)
      : undefined;
  if (step !== undefined && decimals === undefined) host.leave(`${at}.multipleOf`, step);
  const whole = integer || decimals === 0;
  const greatest = 10 ** mostDigits - 1;
  // What libraries write for a safe integer binds nothing here.
  const bound = (min !== undefined && min > -greatest) || (max !== undefined && max < greatest);
  const starts: readonly Start[] = ['number'];
  if (!bound && (whole || decimals === undefined)) return { name: whole ? 'integer' : 'number', readings: 1, starts };
  const text = numberGrammar({ integer: whole, min, max, minOpen, maxOpen, decimals }, (one) => host.rule(one, at));
  if (text === undefined) throw refuse(at, 'no number of at most 15 digits lies between its bounds');
  return { name: host.rule(text, at), readings: 1, starts };
}

/** The bound that binds, of the two keywords; of earlier drafts `exclusive…` is true or false. */
function boundOf(
  schema: Schema,
  closed: string,
  open: string,
  at: string,
  tighter: (a: number, b: number) => boolean,
): [number | undefined, boolean] {
  const value = (keyword: string) => {
    const found = schema[keyword];
    if (found === undefined || typeof found === 'boolean') return undefined;
    if (typeof found === 'number') return found;
    throw refuse(`${at}.${keyword}`, `it is ${show(found)}: give a number`);
  };
  const [a, b] = [value(closed), value(open)];
  if (a === undefined) return [b, true];
  if (b === undefined || !tighter(b, a)) return [a, schema[open] === true];
  return [b, true];
}

export function countOf(schema: Schema, keyword: string, at: string): number | undefined {
  const value = schema[keyword];
  if (value === undefined) return undefined;
  if (typeof value === 'number' && Number.isInteger(value) && value >= 0) return value;
  throw refuse(`${at}.${keyword}`, `it is ${show(value)}: give a whole number from 0`);
}
