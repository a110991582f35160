/**
 * Marks put into message contents before a template renders them, to find the contents in the rendering.
 *
 * A mark is made of private-use characters and a number that no content spells together, so every mark in the
 * rendering is ours. Marks are numbered in order; a rendering in which one is lost, doubled or moved is refused.
 */

const open = '\uE000';
const middle = '\uE001';
const close = '\uE002';

export interface Marks {
  /** The text of mark `index`. */
  at(index: number): string;
  /**
   * Splits a rendering at its marks: `count + 1` texts, or undefined when the marks are not exactly 0 … count - 1 in
   * this order.
   */
  split(rendered: string, count: number): string[] | undefined;
  /** The marks of a rendering in the order they stand in, each with the text before it; the last has no index. */
  all(rendered: string): Iterable<{ readonly index: number | undefined; readonly before: string }>;
  /** The text without any mark. */
  remove(rendered: string): string;
}

/** Marks that occur in none of these texts. Linear in their length. */
export function createMarks(texts: Iterable<string>): Marks {
  const taken = new Set<string>();
  for (const text of texts) {
    for (const match of text.matchAll(/\uE000(\d+)\uE001/g)) taken.add(match[1] ?? '');
  }
  let nonce = 0;
  while (taken.has(String(nonce))) nonce++;
  const start = `${open}${nonce}${middle}`;
  const pattern = new RegExp(`${start}(\\d+)${close}`, 'g');
  return {
    at: (index) => `${start}${index}${close}`,
    split(rendered, count) {
      const texts: string[] = [];
      let from = 0;
      for (const match of rendered.matchAll(pattern)) {
        if (match[1] !== String(texts.length)) return undefined;
        texts.push(rendered.slice(from, match.index));
        from = match.index + match[0].length;
      }
      texts.push(rendered.slice(from));
      const whole = texts.length === count + 1 && !texts.some((text) => text.includes(start));
      return whole ? texts : undefined;
    },
    *all(rendered) {
      let from = 0;
      for (const match of rendered.matchAll(pattern)) {
        yield { index: Number(match[1]), before: rendered.slice(from, match.index) };
        from = match.index + match[0].length;
      }
      yield { index: undefined, before: rendered.slice(from) };
    },
    remove: (rendered) => rendered.replace(pattern, ''),
  };
}
