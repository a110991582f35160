/**
 * A JSON schema to a GBNF grammar of compact JSON that satisfies it.
 *
 * What the grammar cannot promise is refused, by keyword. Two bounds keep a grammar's state small whatever the model
 * writes: no recursion, and a limit on how many readings of a text may stay open at once (anyOf within anyOf).
 */
import { RequestError } from './request-error.ts';

type Schema = Readonly<Record<string, unknown>>;

interface Rule {
  readonly name: string;
  /** Readings that may be open at once while inside. */
  readonly readings: number;
}

const maxDepth = 32;
const maxRules = 2000;
const maxReadings = 32;
const maxItems = 256;
const mostDigits = 15;
const greatestInteger = 10 ** mostDigits - 1;

const annotations = new Set(
  '$schema $id $comment $defs definitions title description default examples deprecated readOnly writeOnly'.split(' '),
);
const scalars = ['string', 'number', 'integer', 'boolean', 'null'] as const;

const primitives = `
string ::= "\\"" char* "\\""
char ::= [^"\\\\\\x00-\\x1f\\x7f] | "\\\\" (["\\\\/bfnrt] | "u" hex hex hex hex)
hex ::= [0-9a-fA-F]
integer ::= "-"? ("0" | [1-9] [0-9]{0,${mostDigits - 1}})
number ::= integer ("." [0-9]{1,${mostDigits}})? ([eE] [-+]? [0-9]{1,2})?
boolean ::= "true" | "false"
null ::= "null"
comma ::= "," " "?
colon ::= ":" " "?
value ::= object | array | string | number | boolean | null
object ::= "{" (string colon value (comma string colon value)*)? "}"
array ::= "[" (value (comma value)*)? "]"
`;

/** Any JSON object. */
export const jsonObjectGrammar = `root ::= object${primitives}`;

/** @throws INVALID_ARGUMENT naming the keyword and where it stands */
export function jsonSchemaGrammar(schema: unknown, param = 'response_format.json_schema.schema'): string {
  return new Converter(schema, param).grammar();
}

class Converter {
  readonly #root: unknown;
  readonly #param: string;
  readonly #rules: string[] = [];
  /** Rules by their text, or by the reference that made them: equal schemas share one. */
  readonly #known = new Map<string, Rule>();
  readonly #open = new Set<string>();

  constructor(root: unknown, param: string) {
    this.#root = root;
    this.#param = param;
  }

  grammar(): string {
    const root = this.#schema(this.#root, this.#param, 0);
    return `root ::= ${root.name}\n${this.#rules.join('\n')}${primitives}`;
  }

  #schema(value: unknown, at: string, depth: number): Rule {
    if (depth > maxDepth) throw refuse(at, `it is nested more than ${maxDepth} deep: flatten it`);
    if (value === true) return { name: 'value', readings: 1 };
    if (!isObject(value)) throw refuse(at, 'it is no schema: give an object');
    if (value.$ref !== undefined) return this.#reference(value, at, depth);
    if (value.enum !== undefined || value.const !== undefined) return this.#enumeration(value, at);
    if (value.anyOf !== undefined) return this.#anyOf(value, at, depth);
    const { type } = value;
    if (Array.isArray(type)) {
      if (type.length === 0) throw refuse(`${at}.type`, 'it is an empty list: name a type');
      return this.#union(
        type.map((one, i) => this.#typed({ ...pick(value, one), type: one }, `${at}.type.${i}`, depth)),
        at,
      );
    }
    return this.#typed(value, at, depth);
  }

  #typed(schema: Schema, at: string, depth: number): Rule {
    const { type } = schema;
    if (type === undefined) {
      if (schema.properties !== undefined) return this.#object(schema, at, depth);
      if (schema.items !== undefined) return this.#array(schema, at, depth);
      this.#only(schema, at, []);
      return { name: 'value', readings: 1 };
    }
    if (type === 'object') return this.#object(schema, at, depth);
    if (type === 'array') return this.#array(schema, at, depth);
    const scalar = scalars.find((name) => name === type);
    if (scalar === undefined)
      throw refuse(`${at}.type`, `${show(type)} is no type of JSON: use string, object and so on`);
    const { minimum, maximum } = schema;
    // Bounds that every integer of the grammar keeps anyway: what libraries write for a safe integer.
    const idle =
      scalar === 'integer' &&
      (minimum === undefined || (typeof minimum === 'number' && minimum <= -greatestInteger)) &&
      (maximum === undefined || (typeof maximum === 'number' && maximum >= greatestInteger));
    this.#only(schema, at, idle ? ['minimum', 'maximum'] : []);
    return { name: scalar, readings: 1 };
  }

  #object(schema: Schema, at: string, depth: number): Rule {
    this.#only(schema, at, ['properties', 'required', 'additionalProperties']);
    const { properties = {}, required = [], additionalProperties } = schema;
    if (!isObject(properties)) throw refuse(`${at}.properties`, 'it is no object');
    if (!Array.isArray(required)) throw refuse(`${at}.required`, 'it is no list of names');
    if (additionalProperties !== undefined && typeof additionalProperties !== 'boolean') {
      throw refuse(`${at}.additionalProperties`, 'a schema for further properties is not supported: use false');
    }
    const entries = Object.entries(properties);
    const missing = required.find((name) => !Object.hasOwn(properties, String(name)));
    if (missing !== undefined) throw refuse(`${at}.required`, `${show(missing)} is not among the properties`);
    if (entries.length === 0) {
      return additionalProperties === false ? this.#rule('"{}"', 1, at) : { name: 'object', readings: 1 };
    }
    let readings = 1;
    const pairs = entries.map(([name, value]) => {
      const rule = this.#schema(value, `${at}.properties.${name}`, depth + 1);
      readings = Math.max(readings, rule.readings);
      return { text: `${literal(JSON.stringify(name))} colon ${rule.name}`, optional: !required.includes(name) };
    });
    // From the last property to the first: what may follow when none, or some, were written before it.
    let first = '""';
    let next = '""';
    for (const { text, optional } of pairs.reverse()) {
      const [afterNone, afterSome] = [`${text} ${next}`, `comma ${text} ${next}`];
      const begins = optional ? `${afterNone} | ${first}` : afterNone;
      const goesOn = optional ? `${afterSome} | ${next}` : afterSome;
      first = this.#rule(begins, 1, at).name;
      next = this.#rule(goesOn, 1, at).name;
    }
    return this.#rule(`"{" ${first} "}"`, readings, at);
  }

  #array(schema: Schema, at: string, depth: number): Rule {
    this.#only(schema, at, ['items', 'minItems', 'maxItems']);
    const item = this.#schema(schema.items ?? true, `${at}.items`, depth + 1);
    const min = this.#count(schema.minItems, `${at}.minItems`) ?? 0;
    const max = this.#count(schema.maxItems, `${at}.maxItems`);
    if (max !== undefined && max < min) throw refuse(`${at}.maxItems`, `${max} is less than minItems, ${min}`);
    if (max === 0) return this.#rule('"[]"', 1, at);
    const more = `(comma ${item.name}){${Math.max(0, min - 1)},${max === undefined ? '' : max - 1}}`;
    const some = max === 1 ? item.name : `${item.name} ${more}`;
    return this.#rule(min > 0 ? `"[" ${some} "]"` : `"[" (${some})? "]"`, item.readings, at);
  }

  #count(value: unknown, at: string): number | undefined {
    if (value === undefined) return undefined;
    if (typeof value === 'number' && Number.isInteger(value) && value >= 0 && value <= maxItems) return value;
    throw refuse(at, `it is ${show(value)}: give a whole number from 0 to ${maxItems}`);
  }

  #enumeration(schema: Schema, at: string): Rule {
    this.#only(schema, at, ['enum', 'const', 'type']);
    if (schema.enum !== undefined && schema.const !== undefined) throw refuse(`${at}.const`, 'it stands beside enum');
    const values = schema.enum ?? [schema.const];
    if (!Array.isArray(values) || values.length === 0) throw refuse(`${at}.enum`, 'give a list of values');
    return this.#rule([...new Set(values.map((value) => literal(JSON.stringify(value))))].join(' | '), 1, at);
  }

  #anyOf(schema: Schema, at: string, depth: number): Rule {
    this.#only(schema, at, ['anyOf']);
    const options = schema.anyOf;
    if (!Array.isArray(options) || options.length === 0) throw refuse(`${at}.anyOf`, 'give a list of schemas');
    return this.#union(
      options.map((option, i) => this.#schema(option, `${at}.anyOf.${i}`, depth + 1)),
      `${at}.anyOf`,
    );
  }

  #union(options: readonly Rule[], at: string): Rule {
    const distinct = [...new Map(options.map((rule) => [rule.name, rule])).values()];
    const readings = distinct.reduce((sum, rule) => sum + rule.readings, 0);
    if (readings > maxReadings)
      throw refuse(at, `it leaves more than ${maxReadings} readings open: offer fewer options`);
    return this.#rule(distinct.map((rule) => rule.name).join(' | '), readings, at);
  }

  #reference(schema: Schema, at: string, depth: number): Rule {
    this.#only(schema, at, ['$ref']);
    const { $ref } = schema;
    const name = typeof $ref === 'string' ? /^#\/(\$defs|definitions)\/([^/~%]+)$/.exec($ref) : null;
    if (typeof $ref !== 'string' || name === null) throw refuse(`${at}.$ref`, `${show($ref)}: use "#/$defs/name"`);
    const known = this.#known.get($ref);
    if (known) return known;
    if (this.#open.has($ref)) throw refuse(`${at}.$ref`, `${show($ref)} contains itself: recursion is not supported`);
    const root = isObject(this.#root) ? this.#root : {};
    const definitions = root[name[1] ?? ''];
    const target = name[2] ?? '';
    if (!isObject(definitions) || !Object.hasOwn(definitions, target)) {
      throw refuse(`${at}.$ref`, `${show($ref)} is not defined`);
    }
    this.#open.add($ref);
    const rule = this.#schema(definitions[target], `${this.#param}.${name[1]}.${target}`, depth + 1);
    this.#open.delete($ref);
    this.#known.set($ref, rule);
    return rule;
  }

  #only(schema: Schema, at: string, allowed: readonly string[]): void {
    for (const keyword of Object.keys(schema)) {
      if (keyword === 'type' || allowed.includes(keyword) || annotations.has(keyword)) continue;
      throw refuse(`${at}.${keyword}`, `the keyword ${show(keyword)} is not supported here: leave it out`);
    }
  }

  #rule(text: string, readings: number, at: string): Rule {
    const known = this.#known.get(text);
    if (known) return known;
    if (this.#rules.length >= maxRules) throw refuse(at, `the schema needs more than ${maxRules} rules: simplify it`);
    const rule = { name: `r${this.#rules.length}`, readings };
    this.#rules.push(`${rule.name} ::= ${text}`);
    this.#known.set(text, rule);
    return rule;
  }
}

/** The keywords of a schema of several types that concern one of them. */
function pick(schema: Schema, type: unknown): Schema {
  const own: Readonly<Record<string, readonly string[]>> = {
    object: ['properties', 'required', 'additionalProperties'],
    array: ['items', 'minItems', 'maxItems'],
    integer: ['minimum', 'maximum'],
  };
  const foreign = Object.entries(own).flatMap(([name, keywords]) => (name === type ? [] : keywords));
  const stays = ([keyword]: [string, unknown]) => !foreign.includes(keyword);
  return Object.fromEntries(Object.entries(schema).filter(stays));
}

/** A text as a literal of the grammar. */
function literal(text: string): string {
  return `"${text.replaceAll('\\', '\\\\').replaceAll('"', '\\"')}"`;
}

function isObject(value: unknown): value is Schema {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function show(value: unknown): string {
  return (JSON.stringify(value) ?? 'undefined').slice(0, 80);
}

function refuse(param: string, reason: string): RequestError {
  return new RequestError('INVALID_ARGUMENT', `${param}: ${reason}`, param);
}
