/**
 * Methods of text in chat templates, as in Python: those that the template library has without their arguments, and
 * those whose result or search can grow beyond bounds. Everything is paid for before it is done.
 */
import { occurrences, searchUnits } from '../segment/find-text.ts';
import { isInteger, isMapping, isText, listValue, textValue, type Value } from './template-library.ts';
import { type TemplateWork, valueUnits } from './template-work.ts';

type Method = (text: string, values: readonly Value[], named: ReadonlyMap<string, Value>, work: TemplateWork) => Value;

/** A method's own implementation; undefined for those that the library has right. */
export function textMethod(name: string): Method | undefined {
  return Object.hasOwn(methods, name) ? methods[name] : undefined;
}

/** Splits the values of a call into those by position and those by name. */
export function callArguments(values: readonly Value[]): [readonly Value[], ReadonlyMap<string, Value>] {
  const last = values.at(-1);
  return last?.type === 'KeywordArgumentsValue' && isMapping(last) ? [values.slice(0, -1), last.value] : [values, none];
}

const none: ReadonlyMap<string, Value> = new Map();

const methods: Readonly<Record<string, Method>> = {
  strip: (text, values, named) => strip('strip', text, values, named, true, true),
  lstrip: (text, values, named) => strip('lstrip', text, values, named, true, false),
  rstrip: (text, values, named) => strip('rstrip', text, values, named, false, true),
  split(text, values, named, work) {
    const [separator, limit] = parameters('split', values, named, ['sep', 'maxsplit']);
    const most = optionalInteger('maxsplit', limit) ?? -1;
    const between = optionalText('sep', separator);
    work.spend(searchUnits(text, between ?? ' '));
    const pieces = [];
    for (const piece of splitText(text, between, most < 0 ? Number.POSITIVE_INFINITY : most)) {
      work.spend(valueUnits + piece.length);
      pieces.push(textValue(piece));
    }
    return listValue(pieces);
  },
  replace(text, values, named, work) {
    const [from, to, count] = parameters('replace', values, named, ['old', 'new', 'count']);
    if (!isText(from) || !isText(to)) throw new Error('replace() takes two texts');
    const most = optionalInteger('count', count) ?? -1;
    work.spend(searchUnits(text, from.value));
    return textValue(replaceText(text, from.value, to.value, most < 0 ? Number.POSITIVE_INFINITY : most, work));
  },
  upper: (text, values, named) => withoutArguments('upper', values, named, text.toUpperCase()),
  lower: (text, values, named) => withoutArguments('lower', values, named, text.toLowerCase()),
};

/** Values by parameter, whether given by position or by name. @throws Error for what the method does not take */
function parameters(
  method: string,
  values: readonly Value[],
  named: ReadonlyMap<string, Value>,
  names: readonly string[],
): (Value | undefined)[] {
  if (values.length > names.length) throw new Error(`${method}() takes at most ${names.length} arguments`);
  const unknown = [...named.keys()].find((name) => !names.includes(name));
  if (unknown !== undefined) throw new Error(`${method}() takes no argument named ${unknown}`);
  return names.map((name, index) => values[index] ?? named.get(name));
}

function withoutArguments(name: string, values: readonly Value[], named: ReadonlyMap<string, Value>, result: string) {
  parameters(name, values, named, []);
  return textValue(result);
}

function optionalText(name: string, value: Value | undefined): string | undefined {
  if (value === undefined || value.type === 'NullValue') return undefined;
  if (!isText(value)) throw new Error(`${name} must be a text`);
  return value.value;
}

function optionalInteger(name: string, value: Value | undefined): number | undefined {
  if (value === undefined || value.type === 'NullValue') return undefined;
  if (!isInteger(value)) throw new Error(`${name} must be a whole number`);
  return value.value;
}

/** Without characters given, white space is taken away. */
function strip(
  name: string,
  text: string,
  values: readonly Value[],
  named: ReadonlyMap<string, Value>,
  left: boolean,
  right: boolean,
): Value {
  const [characters] =
    named.size > 0 ? parameters(name, values, named, []) : parameters(name, values, named, ['chars']);
  const given = optionalText('chars', characters);
  if (given === undefined) return textValue(left ? (right ? text.trim() : text.trimStart()) : text.trimEnd());
  return textValue(stripCharacters(text, given, left, right));
}

export function stripCharacters(text: string, characters: string, left: boolean, right: boolean): string {
  const set = new Set(characters);
  let start = 0;
  let end = text.length;
  while (left && start < end) {
    const character = String.fromCodePoint(text.codePointAt(start) ?? 0);
    if (!set.has(character)) break;
    start += character.length;
  }
  while (right && end > start) {
    const low = text.charCodeAt(end - 1);
    const pair = low >= 0xdc00 && low < 0xe000 && end - 2 >= start;
    const character = String.fromCodePoint(text.codePointAt(pair ? end - 2 : end - 1) ?? 0);
    const whole = pair && character.length === 2 ? character : text.charAt(end - 1);
    if (!set.has(whole)) break;
    end -= whole.length;
  }
  return text.slice(start, end);
}

/** Pieces of a text as in Python; without a separator, runs of white space part them and none is empty. */
function* splitText(text: string, separator: string | undefined, most: number): Generator<string> {
  if (separator === '') throw new Error('empty separator');
  let count = 0;
  let start = 0;
  if (separator !== undefined) {
    for (const at of most > 0 ? occurrences(text, separator) : []) {
      yield text.slice(start, at);
      start = at + separator.length;
      count += 1;
      if (count >= most) break;
    }
    yield text.slice(start);
    return;
  }
  for (const { 0: word, index } of text.matchAll(/\S+/g)) {
    if (count >= most) {
      yield text.slice(index);
      return;
    }
    yield word;
    count += 1;
  }
}

function replaceText(text: string, from: string, to: string, most: number, work: TemplateWork): string {
  const parts: string[] = [];
  let length = text.length;
  let start = 0;
  const put = (at: number, width: number) => {
    length += to.length - width;
    work.checkLength(length);
    work.spend(valueUnits + to.length);
    parts.push(text.slice(start, at), to);
    start = at + width;
  };
  let count = 0;
  for (const at of from === '' ? characterStarts(text) : occurrences(text, from)) {
    if (count >= most) break;
    put(at, from.length);
    count += 1;
  }
  return count === 0 ? text : parts.join('') + text.slice(start);
}

/** In front of every character and at the end: where an empty text occurs. */
function* characterStarts(text: string): Generator<number> {
  let at = 0;
  for (const character of text) {
    yield at;
    at += character.length;
  }
  yield at;
}
