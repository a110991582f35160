/**
 * What the answer's form is bound to: one of the many fields that ask for a JSON schema, a grammar or a choice, as a
 * grammar. Knows the fields, not how a schema becomes a grammar.
 */
import type { Warning } from '../replies/accounting.ts';
import { literal } from '../schema/gbnf-literal.ts';
import { jsonSchemaGrammar } from '../schema/json-schema.ts';
import { jsonObjectGrammar } from '../schema/primitives.ts';
import { RequestError } from './request-error.ts';
import type { SamplingRequest } from './request-schemas.ts';

export interface AnswerFormat {
  /** GBNF; undefined for any text. */
  readonly grammar: string | undefined;
  /** What of a schema the grammar leaves to the client. */
  readonly warnings: readonly Warning[];
}

interface Wish {
  readonly param: string;
  readonly make: () => AnswerFormat;
}

/** @throws INVALID_ARGUMENT for two forms at once, and for a schema that cannot be promised where it must be */
export function answerFormat(request: SamplingRequest): AnswerFormat {
  const [wish, other] = wishesOf(request);
  if (wish === undefined) return { grammar: undefined, warnings: [] };
  if (other !== undefined) {
    const message = `${other.param}: ${wish.param} binds the answer's form, too: leave one out`;
    throw new RequestError('INVALID_ARGUMENT', message, other.param);
  }
  return wish.make();
}

function wishesOf(request: SamplingRequest): Wish[] {
  const { response_format: format, structured_outputs: structured } = request;
  const wishes: Wish[] = [];
  const add = <T>(param: string, value: T | null | undefined, make: (value: T, param: string) => AnswerFormat) => {
    if (value !== undefined && value !== null) wishes.push({ param, make: () => make(value, param) });
  };
  if (format?.type === 'json_object') {
    if (format.schema) add('response_format.schema', format.schema, ofSchema);
    else add('response_format', true, anyObject);
  } else if (format?.type === 'json_schema') {
    const { json_schema, schema } = format;
    const strict = json_schema?.strict === true;
    if (json_schema?.schema) {
      add('response_format.json_schema.schema', json_schema.schema, (value, at) => ofSchema(value, at, strict));
    } else if (schema) add('response_format.schema', schema, ofSchema);
    else add('response_format', true, anyObject);
  } else if (format?.type === 'grammar') add('response_format.grammar', format.grammar, ofGrammar);
  add('json_schema', request.json_schema, ofSchemaOrText);
  add('guided_json', request.guided_json, ofSchemaOrText);
  add('format', request.format, (value, at) => (value === 'json' ? anyObject() : ofSchema(value, at)));
  // Empty texts are what clients send for no grammar.
  for (const name of ['grammar', 'guided_grammar', 'ebnf'] as const) add(name, request[name] || undefined, ofGrammar);
  add('guided_choice', request.guided_choice, ofChoice);
  if (structured) {
    for (const [name, value] of Object.entries(structured)) {
      const param = `structured_outputs.${name}`;
      const known = ['json', 'json_object', 'grammar', 'choice'].includes(name) || name.startsWith('disable_');
      if (known || value === null || value === undefined || value === '') continue;
      throw new RequestError('INVALID_ARGUMENT', `${param}: this is not supported: leave it out`, param);
    }
    add('structured_outputs.json', structured.json, ofSchemaOrText);
    add('structured_outputs.json_object', structured.json_object || undefined, anyObject);
    add('structured_outputs.grammar', structured.grammar || undefined, ofGrammar);
    add('structured_outputs.choice', structured.choice, ofChoice);
  }
  return wishes;
}

function anyObject(): AnswerFormat {
  return { grammar: jsonObjectGrammar, warnings: [] };
}

function ofGrammar(grammar: string): AnswerFormat {
  return { grammar, warnings: [] };
}

function ofSchemaOrText(value: unknown, param: string): AnswerFormat {
  if (typeof value !== 'string') return ofSchema(value, param);
  try {
    return ofSchema(JSON.parse(value), param);
  } catch (error) {
    if (error instanceof RequestError) throw error;
    throw new RequestError('INVALID_ARGUMENT', `${param}: it is not JSON: give a schema`, param);
  }
}

/** @param strict whether everything in the schema must be promised */
function ofSchema(schema: unknown, param: string, strict = false): AnswerFormat {
  const { grammar, left } = jsonSchemaGrammar(schema, param);
  const [first] = left;
  if (strict && first !== undefined) {
    const message = `${first.param}: ${first.message}: leave it out, or do not ask for strict`;
    throw new RequestError('INVALID_ARGUMENT', message, first.param);
  }
  return { grammar, warnings: left };
}

function ofChoice(choices: readonly string[]): AnswerFormat {
  return { grammar: `root ::= ${[...new Set(choices)].map(literal).join(' | ')}`, warnings: [] };
}
