/**
 * Strings of a JSON schema as GBNF: lengths, patterns, and the formats that have a grammar. Every text of the grammar
 * keeps what is promised; not every text that would keep it is one of the grammar's.
 */
import { z } from 'zod';
import { type PatternGrammar, patternGrammar } from './pattern.ts';

export interface StringSchema {
  readonly pattern: string | undefined;
  readonly format: string | undefined;
  readonly minLength: number | undefined;
  readonly maxLength: number | undefined;
}

export interface StringGrammar {
  readonly text: string;
  /** Keywords that it does not promise. */
  readonly left: readonly string[];
}

const chunk = 1000;
/** Longer strings are longer than answers get. */
const longest = 100_000;

const label = '[a-z0-9]{1,20}(-[a-z0-9]{1,20}){0,1}';
const host = `(${label}\\.){0,3}[a-z]{2,20}`;
const octet = '(25[0-5]|2[0-4][0-9]|1[0-9][0-9]|[1-9]?[0-9])';
const month31 = '(0[13578]|1[02])-(0[1-9]|[12][0-9]|3[01])';
const month30 = '(0[469]|11)-(0[1-9]|[12][0-9]|30)';
const leapYear = '([0-9]{2}(0[48]|[2468][048]|[13579][26])|([02468][048]|[13579][26])00)';
const date = `([0-9]{4}-(${month31}|${month30}|02-(0[1-9]|1[0-9]|2[0-8]))|${leapYear}-02-29)`;
const clock = '([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](\\.[0-9]{1,6})?';

/** Regular expressions whose texts are of a format; some formats have more. */
const formats: Readonly<Record<string, string>> = {
  date: `^${date}$`,
  time: `^${clock}Z$`,
  'date-time': `^${date}T${clock}Z$`,
  duration:
    '^P([0-9]{1,4}D(T([0-9]{1,4}H([0-9]{1,4}M)?|[0-9]{1,4}M))?|T([0-9]{1,4}H([0-9]{1,4}M)?|[0-9]{1,4}M|[0-9]{1,6}S))$',
  email: `^[A-Za-z0-9_]([A-Za-z0-9_+-]|\\.[A-Za-z0-9_]){0,31}@(${label}\\.){1,3}[a-z]{2,20}$`,
  hostname: `^${host}$`,
  uri: `^https?://${host}(:[1-9][0-9]{1,3})?(/[A-Za-z0-9._~-]{0,64}){0,16}(\\?[A-Za-z0-9._~=&-]{1,128})?(#[A-Za-z0-9._~-]{1,64})?$`,
  uuid: '^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$',
  ipv4: `^(${octet}\\.){3}${octet}$`,
  ipv6: '^([0-9a-f]{1,4}:){7}[0-9a-f]{1,4}$',
};
const sameFormat: Readonly<Record<string, string>> = {
  url: 'uri',
  guid: 'uuid',
  'idn-email': 'email',
  'idn-hostname': 'hostname',
  'uri-reference': 'uri',
  iri: 'uri',
  'iri-reference': 'uri',
};

/** @param schema lengths are whole numbers, the least no more than the most @returns undefined when no string fits */
export function stringGrammar(schema: StringSchema): StringGrammar | undefined {
  const { pattern, format, minLength = 0, maxLength } = schema;
  const form = formOf(pattern, format);
  if (minLength > longest) return undefined;
  if (form.grammar === undefined) {
    return { text: lengths(minLength, maxLength), left: [...form.left, ...(fits(maxLength) ? [] : ['maxLength'])] };
  }
  const [least, most] = form.grammar.length;
  if (most < minLength || (maxLength !== undefined && least > maxLength)) return undefined;
  const left = [...form.left];
  if (least < minLength) left.push('minLength');
  if (maxLength !== undefined && most > maxLength) left.push('maxLength');
  return { text: `"\\"" ${form.grammar.text} "\\""`, left };
}

function formOf(pattern: string | undefined, format: string | undefined) {
  const name = format === undefined ? undefined : (sameFormat[format] ?? format);
  const source = name !== undefined && Object.hasOwn(formats, name) ? formats[name] : undefined;
  const known = source === undefined ? undefined : patternGrammar(source);
  const left: string[] = [];
  if (pattern === undefined) {
    if (format !== undefined && known === undefined) left.push('format');
    return { grammar: known, left };
  }
  // The format's own grammar keeps zod's pattern, and is bounded: a small model finds its way out.
  if (known !== undefined && ofFormat(pattern, name)) return { grammar: known, left };
  // What other libraries write beside a format says the same in other words, and more exactly.
  const grammar: PatternGrammar | undefined = patternGrammar(pattern);
  if (grammar) return { grammar, left };
  left.push('pattern');
  return { grammar: known, left };
}

/** Whether it is what zod writes for the format. */
function ofFormat(pattern: string, format: string | undefined): boolean {
  return format === 'email' && z.toJSONSchema(z.email()).pattern === pattern;
}

function fits(maxLength: number | undefined): boolean {
  return maxLength === undefined || maxLength <= longest;
}

/** Strings of any characters. Long ones are counted in chunks, which keeps the grammar small. */
function lengths(min: number, max: number | undefined): string {
  const exact = (count: number) => (count > 0 ? [`char{${count}}`] : []);
  const parts = [...chunks(min), ...exact(min % chunk)];
  if (max === undefined || max > longest) parts.push('char*');
  else {
    const more = max - min;
    const whole = Math.floor(more / chunk);
    const last = more % chunk > 0 ? `char{0,${more % chunk}}` : '';
    if (whole === 0) parts.push(more > 0 ? last : '');
    else parts.push(`((char{${chunk}}){0,${whole - 1}} char{0,${chunk - 1}} | (char{${chunk}}){${whole}} ${last})`);
  }
  return `"\\"" ${parts.join(' ')} "\\""`;
}

function chunks(count: number): string[] {
  const whole = Math.floor(count / chunk);
  return whole > 0 ? [`(char{${chunk}}){${whole}}`] : [];
}
