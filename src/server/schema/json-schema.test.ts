import { beforeAll, describe, expect, it } from 'vitest';
import { z } from 'zod';
import { checkGrammar } from '../../../packages/engine/src/ggml/llama/grammar-check.ts';
import { RequestError } from '../requests/request-error.ts';
import { GrammarTexts } from '../testing/grammar-text.ts';
import { jsonSchemaGrammar } from './json-schema.ts';
import { jsonObjectGrammar } from './primitives.ts';

let texts: GrammarTexts;
beforeAll(async () => {
  texts = await GrammarTexts.open();
});

const text = { type: 'string' };
const draws = 6;

/** Schemas as people write them with zod: what the grammar writes satisfies them. */
const written: Record<string, z.ZodType> = {
  'plain object': z.object({ name: z.string(), age: z.number().int(), tags: z.array(z.string()) }),
  'described, with defaults': z.object({ a: z.string().describe('a name').default('x'), b: z.boolean().optional() }),
  'text of a length': z.object({
    a: z.string().min(1),
    b: z.string().max(3),
    c: z.string().min(2).max(4),
    d: z.string().length(3),
  }),
  'long texts': z.object({ a: z.string().max(2500), b: z.string().min(1500) }),
  'numbers in bounds': z.object({
    a: z.number().min(0),
    b: z.number().max(-2.5),
    c: z.number().min(0).max(1),
    d: z.number().gt(0).lt(10),
    e: z.number().min(-12.5).max(300.25),
    f: z.number().gt(0.1).lt(0.11),
  }),
  'integers in bounds': z.object({
    a: z.int().min(1).max(5),
    b: z.int().positive(),
    c: z.int().negative(),
    d: z.int().min(-3).max(12),
    e: z.int().gt(98).lt(1002),
    f: z.int().min(1900).max(2100),
    g: z.int().nonnegative(),
  }),
  'steps of a number': z.object({ a: z.number().multipleOf(0.01).min(0).max(20), b: z.int().multipleOf(1) }),
  dates: z.object({ a: z.iso.date(), b: z.iso.datetime(), c: z.iso.time(), d: z.iso.datetime({ offset: true }) }),
  'addresses and ids': z.object({
    a: z.email(),
    b: z.url(),
    c: z.uuid(),
    d: z.ipv4(),
    e: z.ipv6(),
    f: z.cuid2(),
    g: z.nanoid(),
    h: z.ulid(),
  }),
  patterns: z.object({
    a: z.string().regex(/^[A-Z]{2,3}-\d{4}$/),
    b: z.string().regex(/^#?([0-9a-f]{3}|[0-9a-f]{6})$/),
    c: z.string().startsWith('AB'),
    d: z.string().includes('-'),
    e: z.string().regex(/^[^"\\]+"\\$/),
  }),
  'alternatives by a constant': z.discriminatedUnion('kind', [
    z.object({ kind: z.literal('circle'), radius: z.number().positive() }),
    z.object({ kind: z.literal('square'), side: z.number().positive() }),
    z.object({ kind: z.enum(['line', 'point']) }),
  ]),
  alternatives: z.object({ a: z.union([z.string(), z.number(), z.null()]), b: z.string().nullable() }),
  records: z.object({
    a: z.record(z.string(), z.number()),
    b: z.record(z.enum(['x', 'y']), z.boolean()),
    c: z.partialRecord(z.enum(['x', 'y']), z.boolean()),
    d: z.record(z.string().regex(/^[a-z]+$/), z.array(z.string())),
  }),
  'lists of a length': z.object({
    a: z.array(z.int()).min(1).max(3),
    b: z.array(z.boolean()).length(2),
    c: z.array(z.string()).nonempty(),
  }),
  tuples: z.object({ a: z.tuple([z.string(), z.number()]), b: z.tuple([z.boolean()], z.int()) }),
  intersections: z.object({ a: z.string() }).and(z.object({ b: z.int().min(3) })),
  'strict and loose': z.object({
    a: z.strictObject({ x: z.int() }),
    b: z.looseObject({ y: z.int() }),
    c: z.object({}).catchall(z.int()),
  }),
  literals: z.object({ a: z.literal('a"\\\n'), b: z.literal([1, null, true]), c: z.enum({ X: 1, Y: 2 }) }),
  recursion: z.object({
    name: z.string(),
    get children() {
      return z.array(written.recursion ?? z.never()).max(2);
    },
  }),
};

describe('what is written under a grammar', () => {
  it.each(Object.keys(written))('satisfies zod’s schema: %s', (name) => {
    const shape = written[name] ?? z.never();
    const { grammar, left } = jsonSchemaGrammar(z.toJSONSchema(shape), 's');
    expect(left).toEqual([]);
    checkGrammar(grammar);
    for (let seed = 1; seed <= draws; seed++) {
      const drawn = texts.draw(grammar, seed);
      const { success, error } = shape.safeParse(JSON.parse(drawn));
      expect(success, `${drawn}: ${error?.message}`).toBe(true);
    }
  });

  it('is within bounds of every kind', () => {
    for (let seed = 1; seed < 120; seed++) {
      // Bounds of few and of many digits, alike and apart.
      const digits = 1 + (seed % 5);
      const scale = 10 ** (seed % 4);
      const min = Math.round(Math.sin(seed) * 10 ** digits) / scale;
      const max = Number(
        (min + Math.abs(Math.round(Math.cos(seed * 7) * 10 ** (seed % 6))) / scale + 1 / scale).toFixed(4),
      );
      for (const [low, high] of [
        ['minimum', 'maximum'],
        ['exclusiveMinimum', 'exclusiveMaximum'],
      ] as const) {
        const { grammar } = jsonSchemaGrammar({ type: 'number', [low]: min, [high]: max }, 's');
        const value = JSON.parse(texts.draw(grammar, seed));
        const inside = low === 'minimum' ? value >= min && value <= max : value > min && value < max;
        expect(inside, `${min} ${value} ${max}`).toBe(true);
        for (const edge of [min, max]) {
          expect(texts.accepts(grammar, JSON.stringify(edge)), `${min} ${edge} ${max}`).toBe(low === 'minimum');
        }
        const middle = Number(((min + max) / 2).toFixed(5));
        if (middle > min && middle < max) expect(texts.accepts(grammar, JSON.stringify(middle))).toBe(true);
        for (const outside of [min - 1 / scale, max + 1 / scale, min - 1000, max + 1000]) {
          expect(texts.accepts(grammar, JSON.stringify(Number(outside.toFixed(6)))), `${outside}`).toBe(false);
        }
      }
    }
  });
});

describe('the grammar of a schema', () => {
  it.each<[unknown, readonly string[], readonly string[]]>([
    [{ type: 'integer', minimum: 9, maximum: 11 }, ['9', '10', '11'], ['8', '12', '9.5', '1', '-9', '010']],
    [{ type: 'integer', exclusiveMinimum: true, minimum: 9 }, ['10', '123'], ['9', '0']],
    [
      { type: 'number', minimum: 0.5, maximum: 0.75 },
      ['0.5', '0.75', '0.7', '0.625'],
      ['0.49', '0.76', '0.751', '5', '0'],
    ],
    [{ type: 'number', exclusiveMinimum: 0, maximum: 1 }, ['1', '1.0', '0.001', '0.9'], ['0', '0.0', '1.01', '-1']],
    [{ type: 'string', minLength: 2, maxLength: 3 }, ['"ab"', '"a\\n"', '"日本語"'], ['"a"', '"abcd"', '""']],
    [{ type: 'string', pattern: 'b' }, ['"abc"', '"b"'], ['"ac"']],
    [{ type: 'string', pattern: '^a|b$' }, ['"ax"', '"xb"'], ['"xa"']],
    [{ type: 'string', pattern: '^a"?$' }, ['"a"', '"a\\""'], ['"b"']],
    [{ type: 'string', pattern: '^\\s[^a]$' }, ['" b"', '"\\tb"', '" \\""'], ['" a"', '"bb"']],
    [
      { type: 'string', format: 'date' },
      ['"2024-02-29"', '"1999-12-31"'],
      ['"2023-02-29"', '"1900-02-29"', '"2024-13-01"', '"24-1-1"'],
    ],
    [{ type: 'string', format: 'email' }, ['"a.b+c@example.co.uk"'], ['"a..b@x.de"', '"a@b"', '".a@x.de"']],
    [{ type: 'string', format: 'uri' }, ['"https://example.com/a/b?c=d#e"'], ['"example.com"', '"https://1.2"']],
    [{ oneOf: [{ type: 'string' }, { type: 'integer' }] }, ['"a"', '1'], ['1.5', 'null']],
    [{ allOf: [{ $ref: '#/$defs/a' }], description: 'x', $defs: { a: { type: 'boolean' } } }, ['true'], ['1']],
    [{ allOf: [{ type: 'integer', minimum: 3 }, { maximum: 5 }, true] }, ['3', '5'], ['2', '6']],
    [{ allOf: [{ enum: [1, 2, 3] }, { enum: [2, 3, 4] }] }, ['2', '3'], ['1', '4']],
    [{ $ref: '#/$defs/a', description: 'x', $defs: { a: { type: 'boolean' } } }, ['true'], ['1']],
    [
      { properties: { a: text, b: { $ref: '#/properties/a' } }, required: ['b'] },
      ['{"b":"x"}', '{"a":"", "b":""}'],
      ['{}'],
    ],
    [{ type: 'string', nullable: true }, ['null', '"a"'], ['1']],
    [{ type: ['string', 'integer'], minimum: 5, maxLength: 1 }, ['"a"', '5'], ['"ab"', '4']],
    [{ enum: ['a', 1], type: 'string' }, ['"a"'], ['1']],
    [{ const: { a: [1, null] } }, ['{"a":[1,null]}'], ['{}']],
    [
      { type: 'object', minProperties: 1, maxProperties: 2, additionalProperties: { type: 'null' } },
      ['{"a":null}'],
      ['{}', '{"a":null,"b":null,"c":null}'],
    ],
    [{ type: 'object', required: ['a'], additionalProperties: { type: 'null' } }, ['{"a":null}'], ['{}', '{"a":1}']],
    [{ items: [{ type: 'string' }, { type: 'null' }] }, ['["a",null]', '["a", null]'], ['[null]']],
    [{ 'x-order': 3, minimum: 3, 'x-unit': 'm' }, ['3', '4.5'], ['2', '"a"']],
    [{ type: 'integer', format: 'int32', minimum: -5, maximum: -2 }, ['-5', '-2'], ['-6', '-1', '2']],
    [{ type: 'number', multipleOf: 0.1 }, ['1.5', '-3'], ['1.55', '1e3']],
    [{ anyOf: [{ const: 'a' }, false] }, ['"a"'], ['"b"']],
    [
      {
        $ref: '#/$defs/n',
        $defs: {
          n: { properties: { v: text, n: { anyOf: [{ $ref: '#/$defs/n' }, { type: 'null' }] } }, required: ['v', 'n'] },
        },
      },
      ['{"v":"","n":null}', '{"v":"","n":{"v":"","n":{"v":"a","n":null}}}'],
      ['{"v":"","n":{}}'],
    ],
  ])('%j has what fits, and nothing else', (schema, good, bad) => {
    const { grammar, left } = jsonSchemaGrammar(schema, 's');
    expect(left).toEqual([]);
    for (const one of good) expect(texts.accepts(grammar, one), one).toBe(true);
    for (const one of bad) expect(texts.accepts(grammar, one), one).toBe(false);
  });

  it('exists for any object', () => expect(() => checkGrammar(jsonObjectGrammar)).not.toThrow());

  it('writes properties in their order, optional ones with their comma or not at all', () => {
    const schema = { type: 'object', properties: { a: text, b: { const: 1 } }, required: ['a'] };
    expect(jsonSchemaGrammar(schema).grammar.split('\nstring')[0]).toMatchInlineSnapshot(`
      "root ::= r5
      r0 ::= "1"
      r1 ::= "\\"b\\"" colon r0 "" | ""
      r2 ::= comma "\\"b\\"" colon r0 "" | ""
      r3 ::= "\\"a\\"" colon string r2
      r4 ::= comma "\\"a\\"" colon string r2
      r5 ::= "{" r3 "}""
    `);
  });

  it.each([
    [{ type: 'string', pattern: '(?=a)b' }, 's.pattern'],
    [{ type: 'string', pattern: '(a)\\1' }, 's.pattern'],
    [{ type: 'string', pattern: '\\bword' }, 's.pattern'],
    [{ type: 'string', pattern: '(a*)*' }, 's.pattern'],
    [{ type: 'string', pattern: '(' }, 's.pattern'],
    [{ type: 'string', format: 'postal-code' }, 's.format'],
    [{ type: 'string', pattern: '^a+$', maxLength: 5 }, 's.maxLength'],
    [{ type: 'integer', multipleOf: 7 }, 's.multipleOf'],
    [{ type: 'array', uniqueItems: true }, 's.uniqueItems'],
    [{ type: 'array', contains: text }, 's.contains'],
    [{ type: 'object', properties: { a: { type: 'array', items: { not: text } } } }, 's.properties.a.items.not'],
    [{ type: 'object', additionalProperties: text, minProperties: 3 }, 's.minProperties'],
    [{ oneOf: [{ minimum: 3 }, { maximum: 5 }] }, 's.oneOf'],
    [{ type: 'object', properties: { a: text }, dependentRequired: { a: ['b'] } }, 's.dependentRequired'],
    [{ if: {}, type: 'string' }, 's.if'],
  ])('leaves to the client what it cannot promise, and says so: %j', (schema, param) => {
    const { grammar, left } = jsonSchemaGrammar(schema, 's');
    expect(left.map((one) => one.param)).toEqual([param]);
    expect(() => JSON.parse(texts.draw(grammar, 3))).not.toThrow();
  });

  it.each([
    [
      {
        $ref: '#/$defs/x',
        $defs: { x: { anyOf: [{ type: 'array', items: { $ref: '#/$defs/x' } }, { type: 'array' }] } },
      },
      's.$ref',
    ],
    [{ type: 'date' }, 's.type'],
    [{ type: 'object', properties: {}, required: ['a'], additionalProperties: false }, 's.required'],
    [{ type: 'integer', minimum: 1.2, maximum: 1.8 }, 's'],
    [{ type: 'number', minimum: 3, maximum: 2 }, 's'],
    [{ type: 'number', minimum: 'a' }, 's.minimum'],
    [{ type: 'string', minLength: 5, maxLength: 4 }, 's.maxLength'],
    [{ type: 'string', pattern: '^ab$', minLength: 5 }, 's'],
    [{ type: 'string', maxLength: -1 }, 's.maxLength'],
    [{ not: {} }, 's.not'],
    [false, 's'],
    [{ enum: ['a'], type: 'integer' }, 's.enum'],
    [{ allOf: [{ pattern: '^a$' }, { pattern: '^b$' }] }, 's.allOf.1.pattern'],
    [{ $ref: 'https://example.com/schema' }, 's.$ref'],
    [{ $ref: '#/$defs/none' }, 's.$ref'],
    [{ anyOf: Array.from({ length: 33 }, (_, i) => ({ properties: { [`a${i}`]: text } })) }, 's.anyOf'],
  ])('is refused where it makes no sense: %j', (schema, param) => {
    expect(() => jsonSchemaGrammar(schema, 's')).toThrow(RequestError);
    const where = expect.objectContaining({ code: 'INVALID_ARGUMENT', param: expect.stringContaining(param) });
    expect(() => jsonSchemaGrammar(schema, 's')).toThrow(where);
  });
});
