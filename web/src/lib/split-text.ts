/** Pasted and dropped text as passages. */

/** Passages are cut near this length, in characters: about 350 tokens. */
const targetCharacters = 1400;

/** Cuts at lines of ---, else packs paragraphs up to the target; a paragraph is never cut. */
export function splitText(text: string): string[] {
  const clean = text.replaceAll('\r\n', '\n').trim();
  if (clean === '') return [];
  const marked = clean
    .split(/\n\s*---+\s*\n/)
    .map((part) => part.trim())
    .filter((part) => part !== '');
  return marked.length > 1 ? marked : pack(clean.split(/\n\s*\n/).map((part) => part.trim()));
}

function pack(paragraphs: readonly string[]): string[] {
  const parts: string[] = [];
  for (const paragraph of paragraphs) {
    if (paragraph === '') continue;
    const last = parts.at(-1);
    const joined = last === undefined ? paragraph : `${last}\n\n${paragraph}`;
    if (last !== undefined && joined.length <= targetCharacters) parts[parts.length - 1] = joined;
    else parts.push(paragraph);
  }
  return parts;
}

/** `notes.md` in three parts: `notes (1 of 3)`. */
export function titlesOf(fileName: string, count: number): string[] {
  const name = fileName.replace(/\.[a-z0-9]{1,8}$/i, '');
  return Array.from({ length: count }, (_, index) => (count === 1 ? name : `${name} (${index + 1} of ${count})`));
}
