/** JSON, a value per line: each a unit, an object as its fields by name, nested ones by their path. */

import type { ParsedDocument, Unit } from '../document.ts';
import { damaged } from './archive.ts';

/** Fields together up to this many characters stand in one line. */
const oneLine = 400;
const deepest = 8;
const mostNamed = 5;

export function parseJsonLines(text: string): ParsedDocument {
  const units: Unit[] = [];
  const broken: number[] = [];
  for (const [index, line] of text.split('\n').entries()) {
    if (line.trim() === '') continue;
    try {
      const fields = fieldsOf(JSON.parse(line));
      const flat = fields.join('; ');
      const short = flat.length <= oneLine && !flat.includes('\n');
      const at = { startLine: index + 1, endLine: index + 1 };
      const apart = { separator: short ? '\n' : '\n\n', cut: 'sentences' as const };
      if (fields.length > 0) units.push({ text: short ? flat : fields.join('\n'), ...at, ...apart });
    } catch {
      broken.push(index + 1);
    }
  }
  if (units.length === 0 && broken.length > 0) throw damaged('none of its lines is JSON');
  const named = `${broken.slice(0, mostNamed).join(', ')}${broken.length > mostNamed ? ' …' : ''}`;
  const notes =
    broken.length === 0
      ? []
      : [`${broken.length} of its lines ${broken.length === 1 ? 'is' : 'are'} not JSON: ${named}`];
  return { sections: [{ trail: [], units }], notes };
}

/** `name: value`, of what is not empty. */
function fieldsOf(value: unknown, name = '', depth = 0): string[] {
  if (value === null || value === '') return [];
  if (typeof value !== 'object') {
    const text = typeof value === 'string' ? value : JSON.stringify(value);
    return [name === '' ? text : `${name}: ${text}`];
  }
  if (depth === deepest) return [`${name}: ${JSON.stringify(value)}`];
  if (Array.isArray(value)) {
    const plain = value.every((one) => typeof one !== 'object' || one === null);
    if (plain) return fieldsOf(value.filter((one) => one !== null && one !== '').join(', '), name);
    return value.flatMap((one, index) =>
      fieldsOf(one, name === '' ? `${index + 1}` : `${name} ${index + 1}`, depth + 1),
    );
  }
  return Object.entries(value).flatMap(([key, one]) => fieldsOf(one, name === '' ? key : `${name}.${key}`, depth + 1));
}
