/**
 * A JSON schema to a GBNF grammar of compact JSON that satisfies it.
 *
 * What a grammar can promise becomes one; what it cannot is told, by keyword, and left to the client. A schema that
 * makes no sense is refused. Bounds keep a grammar's state small whatever the model writes: how deep a schema is, how
 * many rules it makes, and how many readings of a text may stay open at once (anyOf within anyOf).
 */
import type { Warning } from '../replies/accounting.ts';
import { enumeration } from './enumeration.ts';
import { literal } from './gbnf-literal.ts';
import {
  anywhere,
  apart,
  isAnnotation,
  pick,
  pointed,
  refuse,
  type Start,
  series,
  show,
  startsOf,
  typeSpokenOf,
} from './keywords.ts';
import { isObject, merge, type Schema } from './merge.ts';
import { primitives } from './primitives.ts';
import { countOf, type Host, numberRule, primitive, type Rule, stringRule } from './scalars.ts';

export interface SchemaGrammar {
  readonly grammar: string;
  /** Keywords that the grammar does not promise. */
  readonly left: readonly Warning[];
}

const maxDepth = 32;
const maxRules = 2000;
const maxReadings = 32;
const maxItems = 1000;
const maxLeft = 32;

const anything: Rule = { name: 'value', readings: 1, starts: anywhere };

/**
 * @param readings of a text that may stay open at once. Defaults to 32
 * @throws INVALID_ARGUMENT naming the keyword and where it stands
 */
export function jsonSchemaGrammar(
  schema: unknown,
  param = 'response_format.json_schema.schema',
  readings = maxReadings,
): SchemaGrammar {
  return new Converter(schema, param, readings).convert();
}

class Converter implements Host {
  readonly #root: unknown;
  readonly #param: string;
  readonly #mostReadings: number;
  readonly #rules: string[] = [];
  /** Rules by their text: equal ones are one. */
  readonly #known = new Map<string, string>();
  readonly #references = new Map<string, Rule>();
  /** References that are being converted, with the name of the rule that those within themselves use. */
  readonly #open = new Map<string, { name: string | undefined }>();
  readonly #left = new Map<string, Warning>();

  constructor(root: unknown, param: string, mostReadings: number) {
    this.#root = root;
    this.#mostReadings = mostReadings;
    this.#param = param;
  }

  convert(): SchemaGrammar {
    const root = this.#schema(this.#root, this.#param, 0);
    const grammar = `root ::= ${root.name}\n${this.#rules.join('\n')}${primitives}`;
    return { grammar, left: [...this.#left.values()] };
  }

  #schema(value: unknown, at: string, depth: number): Rule {
    if (depth > maxDepth) throw refuse(at, `it is nested more than ${maxDepth} deep: flatten it`);
    if (value === true) return anything;
    if (value === false) throw refuse(at, 'nothing satisfies it: leave the property out');
    if (!isObject(value)) throw refuse(at, 'it is not a schema: give an object');
    if (value.nullable === true && value.type !== undefined) {
      const { nullable: _, ...rest } = value;
      return this.#union([this.#schema(rest, at, depth + 1), primitive('null')], at);
    }
    if (value.allOf !== undefined) return this.#schema(this.#merged(value, at), at, depth + 1);
    if (value.$ref !== undefined) return this.#reference(value, at, depth);
    if (value.enum !== undefined || value.const !== undefined) return enumeration(this, value, at);
    if (value.anyOf !== undefined) return this.#options(value, 'anyOf', at, depth);
    if (value.oneOf !== undefined) return this.#options(value, 'oneOf', at, depth);
    const { type } = value;
    if (!Array.isArray(type)) return this.#typed(value, at, depth);
    if (type.length === 0) throw refuse(`${at}.type`, 'no type is left: name one that holds');
    const options = type.map((one, i) => this.#typed({ ...pick(value, one), type: one }, `${at}.type.${i}`, depth));
    return this.#union(options, at);
  }

  /** All parts and what stands beside them as one schema. */
  #merged({ allOf, ...rest }: Schema, at: string): Schema {
    if (!Array.isArray(allOf) || allOf.length === 0) throw refuse(`${at}.allOf`, 'give a list of schemas');
    return allOf.reduce<Schema>((all, part: unknown, i) => this.#both(all, part, `${at}.allOf.${i}`), rest);
  }

  #both(all: Schema, part: unknown, at: string): Schema {
    if (part === true) return all;
    if (!isObject(part)) throw refuse(at, 'it is not a schema: give an object');
    const whole = part.allOf === undefined ? part : this.#merged(part, at);
    // A reference is looked into where something stands beside it.
    const own = Object.keys(all).some((keyword) => !isAnnotation(keyword));
    const resolved = own && whole.$ref !== undefined ? this.#resolved(whole, at) : whole;
    const base = own && all.$ref !== undefined ? this.#resolved(all, at) : all;
    const merged = merge(base, resolved);
    if ('schema' in merged) return merged.schema;
    const { conflict } = merged;
    throw refuse(`${at}.${conflict}`, `the keyword ${show(conflict)} occurs in several parts of allOf: give it once`);
  }

  #resolved({ $ref, ...rest }: Schema, at: string): Schema {
    const target = pointed(this.#root, $ref, at);
    if (this.#open.has(String($ref)))
      throw refuse(`${at}.$ref`, `${show($ref)} contains itself within allOf: leave allOf out`);
    return this.#both(rest, target, at);
  }

  #typed(schema: Schema, at: string, depth: number): Rule {
    const { type } = schema;
    if (type === undefined) return this.#untyped(schema, at, depth);
    switch (type) {
      case 'object':
        return this.#object(schema, at, depth);
      case 'array':
        return this.#array(schema, at, depth);
      case 'string':
        return stringRule(schema, at, this);
      case 'number':
      case 'integer':
        return numberRule(schema, type === 'integer', at, this);
      case 'boolean':
      case 'null':
        this.only(schema, at, ['format']);
        return primitive(type === 'null' ? 'null' : 'boolean');
      default:
        throw refuse(`${at}.type`, `${show(type)} is not a type of JSON: use string, object and so on`);
    }
  }

  /** Keywords of one type speak of values of that type alone; what is written is of that type. */
  #untyped(schema: Schema, at: string, depth: number): Rule {
    const type = typeSpokenOf(schema);
    if (type !== undefined) return this.#typed({ ...schema, type }, at, depth);
    this.only(schema, at, ['format']);
    return anything;
  }

  #object(schema: Schema, at: string, depth: number): Rule {
    this.only(schema, at, [
      'properties',
      'required',
      'additionalProperties',
      'propertyNames',
      'minProperties',
      'maxProperties',
      'unevaluatedProperties',
    ]);
    const { required = [], additionalProperties, propertyNames } = schema;
    const given = schema.properties ?? {};
    if (!isObject(given)) throw refuse(`${at}.properties`, 'it is not an object');
    if (!Array.isArray(required)) throw refuse(`${at}.required`, 'it is not a list of names');
    const closed = additionalProperties === false;
    const further = additionalProperties === undefined || closed ? true : additionalProperties;
    // A record over listed names, and a required name that nothing describes, are properties like others.
    const listed = isObject(propertyNames) && Array.isArray(propertyNames.enum) ? propertyNames.enum.map(String) : [];
    const undescribed = [...listed, ...required.map(String)].filter((name) => !Object.hasOwn(given, name));
    const missing = required.find((name) => !Object.hasOwn(given, String(name)));
    if (closed && missing !== undefined) throw refuse(`${at}.required`, `${show(missing)} is not among the properties`);
    const properties = { ...given, ...(!closed && Object.fromEntries(undescribed.map((name) => [name, further]))) };
    const entries = Object.entries(properties);
    const min = countOf(schema, 'minProperties', at) ?? 0;
    const max = countOf(schema, 'maxProperties', at);
    if (entries.length === 0) return this.#record(schema, closed, further, min, max, at, depth);
    if (propertyNames !== undefined && listed.length === 0) {
      // Names that the schema lists itself are right.
      this.#schema(propertyNames, `${at}.propertyNames`, depth + 1);
    }
    if (min > new Set(required).size) this.leave(`${at}.minProperties`, min);
    if (max !== undefined && max < entries.length) this.leave(`${at}.maxProperties`, max);
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
      first = this.rule(begins, at);
      next = this.rule(goesOn, at);
    }
    return { name: this.rule(`"{" ${first} "}"`, at), readings, starts: ['object'] };
  }

  /** An object whose names are the model's. */
  #record(
    schema: Schema,
    closed: boolean,
    further: unknown,
    min: number,
    max: number | undefined,
    at: string,
    depth: number,
  ): Rule {
    const starts: readonly Start[] = ['object'];
    if (closed || max === 0) {
      if (min > 0) throw refuse(`${at}.minProperties`, 'the object may have no properties');
      return { name: this.rule('"{}"', at), readings: 1, starts };
    }
    const { propertyNames = true } = schema;
    if (further === true && propertyNames === true && min === 0 && max === undefined)
      return { name: 'object', readings: 1, starts };
    // The same name twice is one property.
    if (min > 1) this.leave(`${at}.minProperties`, min);
    const named = isObject(propertyNames) ? { type: 'string', ...propertyNames } : propertyNames;
    const name = propertyNames === true ? primitive('string') : this.#schema(named, `${at}.propertyNames`, depth + 1);
    const value = this.#schema(further, `${at}.additionalProperties`, depth + 1);
    const pair = `${name.name} colon ${value.name}`;
    return {
      name: this.rule(series('{', pair, '}', min, max), at),
      readings: Math.max(name.readings, value.readings),
      starts,
    };
  }

  #array(schema: Schema, at: string, depth: number): Rule {
    this.only(schema, at, [
      'items',
      'prefixItems',
      'additionalItems',
      'minItems',
      'maxItems',
      'uniqueItems',
      'unevaluatedItems',
    ]);
    const min = countOf(schema, 'minItems', at) ?? 0;
    const max = countOf(schema, 'maxItems', at);
    if (max !== undefined && max < min) throw refuse(`${at}.maxItems`, `${max} is less than minItems, ${min}`);
    if (schema.uniqueItems === true && max !== 0 && max !== 1) this.leave(`${at}.uniqueItems`, true);
    // Earlier drafts have a list under items.
    const prefix = schema.prefixItems ?? (Array.isArray(schema.items) ? schema.items : []);
    const rest = Array.isArray(schema.items) ? schema.additionalItems : schema.items;
    if (!Array.isArray(prefix)) throw refuse(`${at}.prefixItems`, 'give a list of schemas');
    const starts: readonly Start[] = ['array'];
    if (prefix.length > 0) return this.#tuple(prefix, rest, min, max, at, depth);
    if (max === 0 || rest === false) return { name: this.rule('"[]"', at), readings: 1, starts };
    const item = this.#schema(rest ?? true, `${at}.items`, depth + 1);
    const most = max !== undefined && max > maxItems ? undefined : max;
    if (most !== max) this.leave(`${at}.maxItems`, max);
    if (min > maxItems) throw refuse(`${at}.minItems`, `it is ${min}: give at most ${maxItems}`);
    return { name: this.rule(series('[', item.name, ']', min, most), at), readings: item.readings, starts };
  }

  /** Items that have a schema each; as many as must be, or all of them. */
  #tuple(
    prefix: readonly unknown[],
    rest: unknown,
    min: number,
    max: number | undefined,
    at: string,
    depth: number,
  ): Rule {
    const items = prefix.map((one, i) => this.#schema(one, `${at}.prefixItems.${i}`, depth + 1));
    const count = Math.min(items.length, max ?? items.length);
    if (min > count) {
      if (rest === false) throw refuse(`${at}.minItems`, `the list has ${items.length} items at most`);
      const more = this.#schema(rest ?? true, `${at}.items`, depth + 1);
      items.push(...Array.from({ length: Math.min(min, maxItems) - count }, () => more));
      if (min > maxItems) throw refuse(`${at}.minItems`, `it is ${min}: give at most ${maxItems}`);
    }
    const text = items
      .slice(0, Math.max(count, min))
      .map(({ name }) => name)
      .join(' comma ');
    const readings = items.reduce((most, rule) => Math.max(most, rule.readings), 1);
    return { name: this.rule(`"[" ${text} "]"`, at), readings, starts: ['array'] };
  }

  #options(schema: Schema, keyword: 'anyOf' | 'oneOf', at: string, depth: number): Rule {
    const { [keyword]: options, ...beside } = schema;
    if (!Array.isArray(options) || options.length === 0) throw refuse(`${at}.${keyword}`, 'give a list of schemas');
    const shared = Object.keys(beside).some((name) => !isAnnotation(name));
    const whole = options.map((option, i) => (shared ? this.#both(beside, option, `${at}.${keyword}.${i}`) : option));
    const rules = whole.flatMap((option, i) =>
      // What nothing satisfies is not an option.
      option === false ? [] : [this.#schema(option, `${at}.${keyword}.${i}`, depth + 1)],
    );
    if (rules.length === 0) throw refuse(`${at}.${keyword}`, 'nothing satisfies any of the options');
    if (keyword === 'oneOf' && !this.#disjoint(whole, rules)) this.leave(`${at}.oneOf`, 'that no second option holds');
    return this.#union(rules, `${at}.${keyword}`);
  }

  /** Whether no value satisfies two options, as far as types and a property with fixed values can tell. */
  #disjoint(options: readonly unknown[], rules: readonly Rule[]): boolean {
    const schemas = options.map((option) =>
      isObject(option) && option.$ref !== undefined ? pointed(this.#root, option.$ref, '') : option,
    );
    return rules.every((a, i) =>
      rules.slice(i + 1).every((b, j) => {
        if (!a.starts.some((start) => b.starts.includes(start))) return true;
        return apart(schemas[i], schemas[i + 1 + j]);
      }),
    );
  }

  #union(options: readonly Rule[], at: string): Rule {
    const distinct = [...new Map(options.map((rule) => [rule.name, rule])).values()];
    const starts = [...new Set(distinct.flatMap((rule) => rule.starts))];
    // Options that begin differently are told apart at once.
    const open = (start: Start) =>
      distinct.reduce((sum, rule) => sum + (rule.starts.includes(start) ? rule.readings : 0), 0);
    const readings = Math.max(...starts.map(open));
    if (readings > this.#mostReadings)
      throw refuse(at, `it leaves more than ${this.#mostReadings} readings open: offer fewer options`);
    return { name: this.rule(distinct.map((rule) => rule.name).join(' | '), at), readings, starts };
  }

  #reference(schema: Schema, at: string, depth: number): Rule {
    const { $ref, ...beside } = schema;
    if (Object.keys(beside).some((keyword) => !isAnnotation(keyword))) {
      return this.#schema(this.#resolved(schema, at), at, depth + 1);
    }
    const key = String($ref);
    const known = this.#references.get(key);
    if (known) return known;
    const target = pointed(this.#root, $ref, at);
    const open = this.#open.get(key);
    if (open) {
      open.name ??= `ref${this.#open.size}x${this.#rules.length}`;
      return { name: open.name, readings: 1, starts: startsOf(target) };
    }
    const own: { name: string | undefined } = { name: undefined };
    this.#open.set(key, own);
    const rule = this.#schema(target, `${this.#param}${key.slice(1).replaceAll('/', '.')}`, depth + 1);
    this.#open.delete(key);
    if (own.name !== undefined) {
      // One reading at every level stays one; two at every level would be two to the power of the levels.
      if (rule.readings > 1)
        throw refuse(
          `${at}.$ref`,
          `${show($ref)} contains itself among options that begin alike: tell them apart by their types`,
        );
      this.#rules.push(`${own.name} ::= ${rule.name}`);
    }
    this.#references.set(key, rule);
    return rule;
  }

  /** Looks for keywords beside those that are converted. */
  only(schema: Schema, at: string, allowed: readonly string[]): void {
    for (const [keyword, value] of Object.entries(schema)) {
      if (keyword === 'type' || allowed.includes(keyword) || isAnnotation(keyword)) continue;
      if (keyword === 'not' && isObject(value) && Object.keys(value).length === 0)
        throw refuse(`${at}.not`, 'nothing satisfies it');
      this.leave(`${at}.${keyword}`, value);
    }
  }

  leave(param: string, value: unknown): void {
    if (this.#left.size >= maxLeft) return;
    const keyword = param.slice(param.lastIndexOf('.') + 1);
    this.#left.set(param, { param, message: `no grammar promises ${keyword}, ${show(value)}: check it yourself` });
  }

  rule(text: string, at: string): string {
    const known = this.#known.get(text);
    if (known) return known;
    if (this.#rules.length >= maxRules) throw refuse(at, `the schema needs more than ${maxRules} rules: simplify it`);
    const name = `r${this.#rules.length}`;
    this.#rules.push(`${name} ::= ${text}`);
    this.#known.set(text, name);
    return name;
  }
}
