/** Two JSON schemas that both hold, as one. Knows keywords, no grammar. */

export type Schema = Readonly<Record<string, unknown>>;

export function isObject(value: unknown): value is Schema {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

type Combine = (a: unknown, b: unknown) => unknown;

const both: Combine = (a, b) => ({ allOf: [a, b] });
const greater: Combine = (a, b) => (typeof a === 'number' && typeof b === 'number' ? Math.max(a, b) : undefined);
const less: Combine = (a, b) => (typeof a === 'number' && typeof b === 'number' ? Math.min(a, b) : undefined);
const common: Combine = (a, b) => {
  const other = new Set([b].flat().map((value) => JSON.stringify(value)));
  return [a].flat().filter((value) => other.has(JSON.stringify(value)));
};

const combine: Readonly<Record<string, Combine>> = {
  properties: (a, b) => {
    if (!isObject(a) || !isObject(b)) return undefined;
    const shared = Object.entries(b).map(([name, value]) => [
      name,
      Object.hasOwn(a, name) ? both(a[name], value) : value,
    ]);
    return { ...a, ...Object.fromEntries(shared) };
  },
  required: (a, b) => [...new Set([a, b].flat())],
  // An intersection of objects that are closed each by themselves is meant as one closed object of all their properties.
  additionalProperties: (a, b) => (a === false || b === false ? false : a === true ? b : b === true ? a : both(a, b)),
  items: both,
  propertyNames: both,
  type: (a, b) => {
    const types = common(a, b) as unknown[];
    // An integer is a number.
    const narrowed =
      [a, b].flat().includes('integer') && [a, b].flat().includes('number') ? [...types, 'integer'] : types;
    return narrowed.length === 1 ? narrowed[0] : narrowed;
  },
  enum: common,
  minimum: greater,
  exclusiveMinimum: greater,
  minLength: greater,
  minItems: greater,
  minProperties: greater,
  maximum: less,
  exclusiveMaximum: less,
  maxLength: less,
  maxItems: less,
  maxProperties: less,
  uniqueItems: (a, b) => a === true || b === true,
};

/** What may differ without meaning anything: the first one stays. */
const words = new Set(
  'title description default examples $comment $id $schema deprecated readOnly writeOnly'.split(' '),
);

export type Merged = { readonly schema: Schema } | { readonly conflict: string };

/** One schema, or the keyword that cannot be merged. */
export function merge(a: Schema, b: Schema): Merged {
  const out: Record<string, unknown> = { ...a };
  for (const [keyword, value] of Object.entries(b)) {
    if (!Object.hasOwn(a, keyword) || JSON.stringify(a[keyword]) === JSON.stringify(value)) {
      out[keyword] = value;
      continue;
    }
    if (words.has(keyword) || keyword.startsWith('x-')) continue;
    const merged = Object.hasOwn(combine, keyword) ? combine[keyword]?.(a[keyword], value) : undefined;
    if (merged === undefined) return { conflict: keyword };
    out[keyword] = merged;
  }
  return { schema: out };
}
