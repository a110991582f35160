/**
 * Tools that a chat template declares as types of TypeScript, `type name = (…) => any;` with comments above, as gpt-oss
 * has them: where each declaration stands.
 */
import type { Pieces, Place } from './agent-blocks.ts';

const ending = '=> any;';

/** Each tool's declaration with its comments, in order; none at all where one is not found. */
export function declaredTools({ text, plain }: Pick<Pieces, 'text' | 'plain'>, names: readonly string[]): Place[] {
  const places: Place[] = [];
  let from = 0;
  for (const [index, name] of names.entries()) {
    const at = outside(text, plain, `type ${name} = (`, from);
    const end = at < 0 ? -1 : outside(text, plain, ending, at);
    if (end < 0) return [];
    // Comments above belong to it: what follows the declaration before, or the line that opens the namespace.
    const opening = index === 0 ? text.lastIndexOf('{\n', at) + 2 : from;
    const start = opening + (/^\n*/.exec(text.slice(opening, at))?.[0].length ?? 0);
    if (index === 0 && opening < 2) return [];
    places.push({ start, end: end + ending.length });
    from = end + ending.length;
  }
  return places;
}

/** Where a text stands that no caller wrote; -1 where it does not. */
function outside(text: string, plain: readonly Place[], what: string, from: number): number {
  for (let at = text.indexOf(what, from); at >= 0; at = text.indexOf(what, at + 1)) {
    if (!plain.some(({ start, end }) => at >= start && at < end)) return at;
  }
  return -1;
}
