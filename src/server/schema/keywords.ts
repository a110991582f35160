/** What keywords and values of JSON schemas mean, apart from any grammar. */
import { RequestError } from '../requests/request-error.ts';
import { isObject, type Schema } from './merge.ts';

/** What a value begins with: an object, an array, a string, a number, true or false, null. */
export type Start = 'object' | 'array' | 'string' | 'number' | 'boolean' | 'null';

export const anywhere: readonly Start[] = ['object', 'array', 'string', 'number', 'boolean', 'null'];
/** Keywords that say nothing of the value. */
const annotations = new Set(
  `$schema $id id $comment $defs definitions $anchor $vocabulary title description default examples example deprecated
  readOnly writeOnly contentEncoding contentMediaType contentSchema discriminator externalDocs xml nullable
  markdownDescription enumNames enumDescriptions errorMessage propertyOrdering`.split(/\s+/),
);

/** Keywords by the type that they speak of. */
const ownKeywords: Readonly<Record<string, readonly string[]>> = {
  object: ['properties', 'required', 'additionalProperties', 'propertyNames', 'minProperties', 'maxProperties'],
  array: ['items', 'prefixItems', 'additionalItems', 'minItems', 'maxItems', 'uniqueItems'],
  string: ['pattern', 'minLength', 'maxLength'],
  number: ['minimum', 'maximum', 'exclusiveMinimum', 'exclusiveMaximum', 'multipleOf'],
};

/** The type that a schema without one has keywords of. */
export function typeSpokenOf(schema: Schema): string | undefined {
  return Object.entries(ownKeywords).find(([, names]) => names.some((name) => schema[name] !== undefined))?.[0];
}

/** The keywords of a schema of several types that concern one of them. */
export function pick(schema: Schema, type: unknown): Schema {
  const own = type === 'integer' ? 'number' : type;
  const foreign = Object.entries(ownKeywords).flatMap(([name, keywords]) => (name === own ? [] : keywords));
  if (own !== 'string') foreign.push('format');
  return Object.fromEntries(Object.entries(schema).filter(([keyword]) => !foreign.includes(keyword)));
}

/** Items between brackets, from the least number to the most. */
export function series(open: string, item: string, close: string, min: number, max: number | undefined): string {
  const more = `(comma ${item}){${Math.max(0, min - 1)},${max === undefined ? '' : max - 1}}`;
  const some = max === 1 ? item : `${item} ${more}`;
  return min > 0 ? `"${open}" ${some} "${close}"` : `"${open}" (${some})? "${close}"`;
}

export function isAnnotation(keyword: string): boolean {
  return annotations.has(keyword) || keyword.startsWith('x-');
}

export function startOf(value: unknown): Start {
  if (value === null) return 'null';
  if (Array.isArray(value)) return 'array';
  const kind = typeof value;
  return kind === 'string' || kind === 'number' || kind === 'boolean' ? kind : 'object';
}

export function isOfType(value: unknown, type: unknown): boolean {
  if (type === undefined) return true;
  const types = [type].flat();
  if (types.includes('integer') && Number.isInteger(value)) return true;
  return types.includes(startOf(value));
}

/** What values of a schema begin with, from its type alone. */
export function startsOf(schema: unknown): readonly Start[] {
  const types = isObject(schema) ? [schema.type ?? typeSpokenOf(schema)].flat() : [];
  const starts = types
    .map((type) => (type === 'integer' ? 'number' : type))
    .filter((type): type is Start => (anywhere as readonly unknown[]).includes(type));
  return starts.length > 0 && starts.length === types.length ? starts : anywhere;
}

/** Fixed values of a schema, as texts. */
function valuesOf(schema: unknown): readonly string[] | undefined {
  if (!isObject(schema)) return undefined;
  if (schema.const !== undefined) return [JSON.stringify(schema.const)];
  return Array.isArray(schema.enum) ? schema.enum.map((value) => JSON.stringify(value)) : undefined;
}

function noneShared(a: unknown, b: unknown): boolean {
  const [left, right] = [valuesOf(a), valuesOf(b)];
  return left !== undefined && right !== undefined && !left.some((value) => right.includes(value));
}

/** Whether no value satisfies both: fixed values differ, or those of a property that both must have. */
export function apart(a: unknown, b: unknown): boolean {
  if (noneShared(a, b)) return true;
  if (!isObject(a) || !isObject(b) || !isObject(a.properties) || !isObject(b.properties)) return false;
  const [left, right] = [a.properties, b.properties];
  const needs = ({ required }: Schema, name: string) => Array.isArray(required) && required.includes(name);
  return Object.keys(left).some((name) => needs(a, name) && needs(b, name) && noneShared(left[name], right[name]));
}

/** What a pointer within the schema points to. @throws INVALID_ARGUMENT where there is nothing */
export function pointed(root: unknown, $ref: unknown, at: string): unknown {
  const path = typeof $ref === 'string' && /^#(\/|$)/.test($ref) ? $ref.slice(1).split('/').slice(1) : undefined;
  if (path === undefined)
    throw refuse(`${at}.$ref`, `${show($ref)}: use a place in the schema, such as "#/$defs/name"`);
  let found: unknown = root;
  for (const part of path) {
    const name = unescaped(part);
    const has = typeof found === 'object' && found !== null && Object.hasOwn(found, name);
    if (!has) throw refuse(`${at}.$ref`, `${show($ref)} is not defined`);
    found = (found as Schema)[name];
  }
  return found;
}

function unescaped(part: string): string {
  let text = part;
  try {
    text = decodeURIComponent(part);
  } catch {
    // A percent sign that encodes nothing is one.
  }
  return text.replaceAll('~1', '/').replaceAll('~0', '~');
}

export function show(value: unknown): string {
  return (JSON.stringify(value) ?? 'undefined').slice(0, 80);
}

export function refuse(param: string, reason: string): RequestError {
  return new RequestError('INVALID_ARGUMENT', `${param}: ${reason}`, param);
}
