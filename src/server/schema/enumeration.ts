import { literal } from './gbnf-literal.ts';
import { isAnnotation, isOfType, refuse, startOf } from './keywords.ts';
import type { Schema } from './merge.ts';
import type { Host, Rule } from './scalars.ts';

/** `enum` and `const`: one of the listed values that what stands beside allows. */
export function enumeration(host: Host, schema: Schema, at: string): Rule {
  const listed = schema.enum ?? [schema.const];
  if (!Array.isArray(listed) || listed.length === 0) throw refuse(`${at}.enum`, 'give a list of values');
  const only = schema.enum !== undefined && schema.const !== undefined ? JSON.stringify(schema.const) : undefined;
  const typed = listed.filter((value) => isOfType(value, schema.type));
  const texts = [...new Set(typed.map((value) => JSON.stringify(value)))].filter(
    (text) => only === undefined || text === only,
  );
  if (texts.length === 0) throw refuse(`${at}.enum`, 'none of its values satisfies the other keywords');
  for (const [keyword, value] of Object.entries(schema)) {
    if (!['enum', 'const', 'type', 'format'].includes(keyword) && !isAnnotation(keyword))
      host.leave(`${at}.${keyword}`, value);
  }
  const starts = [...new Set(typed.map(startOf))];
  return { name: host.rule(texts.map(literal).join(' | '), at), readings: 1, starts };
}
