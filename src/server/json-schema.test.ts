import { describe, expect, it } from 'vitest';
import { checkGrammar } from '../ggml/grammar-check.ts';
import { jsonObjectGrammar, jsonSchemaGrammar } from './json-schema.ts';
import { RequestError } from './request-error.ts';

const text = { type: 'string' };

describe('the grammar of a schema', () => {
  it.each([
    ['object', { type: 'object', properties: { a: text, 'ü"\\': { type: 'integer' } }, required: ['a'] }],
    ['all optional', { type: 'object', properties: { a: text, b: text, c: text } }],
    ['array', { type: 'array', items: { type: 'number' }, minItems: 2, maxItems: 4 }],
    ['nested', { anyOf: [{ type: 'array', items: { enum: ['a', 1, null, '"\\'] } }, { type: ['string', 'null'] }] }],
    ['reference', { $defs: { x: text }, type: 'object', properties: { x: { $ref: '#/$defs/x' } } }],
    ['safe integer', { type: 'integer', minimum: Number.MIN_SAFE_INTEGER, maximum: Number.MAX_SAFE_INTEGER }],
    ['anything', {}],
  ])('is one that can run: %s', (_, schema) => {
    expect(() => checkGrammar(jsonSchemaGrammar(schema))).not.toThrow();
  });

  it('exists for any object', () => expect(() => checkGrammar(jsonObjectGrammar)).not.toThrow());

  it('writes properties in their order, optional ones with their comma or not at all', () => {
    const schema = { type: 'object', properties: { a: text, b: { const: 1 } }, required: ['a'] };
    expect(jsonSchemaGrammar(schema).split('\nstring')[0]).toMatchInlineSnapshot(`
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
    [{ type: 'string', pattern: 'a+' }, 's.pattern'],
    [{ type: 'number', minimum: 3 }, 's.minimum'],
    [{ oneOf: [text] }, 's.oneOf'],
    [{ type: 'object', properties: { a: { type: 'array', items: { not: {} } } } }, 's.properties.a.items.not'],
    [{ $ref: '#/$defs/x', $defs: { x: { type: 'array', items: { $ref: '#/$defs/x' } } } }, 's.$defs.x.items.$ref'],
    [{ type: 'date' }, 's.type'],
    [{ type: 'object', properties: {}, required: ['a'] }, 's.required'],
  ])('is refused by keyword: %j', (schema, param) => {
    expect(() => jsonSchemaGrammar(schema, 's')).toThrow(RequestError);
    expect(() => jsonSchemaGrammar(schema, 's')).toThrow(expect.objectContaining({ code: 'INVALID_ARGUMENT', param }));
  });
});
