/**
 * Lines of a paragraph to running text: a word divided at the end of a line becomes whole, a compound keeps its hyphen.
 *
 * Which of the two it is, no rule tells: the document's own words decide, then a list of what begins compounds in
 * English.
 */

const compoundStarts = new Set(['well', 'self', 'non', 'half', 'quasi', 'all', 'ex']);
/** Shorter words are syllables of others as well. */
const shortestPart = 4;
/** "Vor- und Nachteile", "pre- and postwar": the hyphen stands for the word that follows later. */
const conjunctions = /^(und|oder|bzw|sowie|and|or|to|bis|ou|et|y|o|e|en|of)(?![\p{L}\p{N}])/u;

export class Hyphens {
  /** In lower case, compounds with their hyphens. */
  readonly #words = new Set<string>();

  /** @param lines of the whole document */
  constructor(lines: Iterable<string>) {
    let divided = false;
    for (const line of lines) {
      const words = line.toLowerCase().match(/[\p{L}\p{N}]+(?:[-\u2010][\p{L}\p{N}]+)*/gu) ?? [];
      const ends = /[-\u2010\u00ad]$/.test(line);
      for (const [index, word] of words.entries()) {
        // Halves of divided words are not words.
        if ((index === 0 && divided) || (index === words.length - 1 && ends)) continue;
        this.#words.add(word.replaceAll('\u2010', '-'));
      }
      divided = ends;
    }
  }

  join(lines: readonly string[]): string {
    let text = '';
    for (const line of lines) text = text === '' ? line : this.#append(text, line);
    return text.trim();
  }

  #append(text: string, line: string): string {
    const [, head = '', hyphen = ''] = /([\p{L}\p{N}]+)([-\u2010\u00ad])$/u.exec(text) ?? [];
    const [tail = ''] = /^[\p{L}\p{N}]+/u.exec(line) ?? [];
    if (head === '' || tail === '') return `${text} ${line}`;
    const whole = text.slice(0, -1) + line;
    if (hyphen === '\u00ad') return whole;
    if (conjunctions.test(line)) return `${text} ${line}`;
    if (!/^\p{Ll}/u.test(tail) || !/\p{Ll}$/u.test(head)) return text + line;
    return this.#isCompound(head.toLowerCase(), tail.toLowerCase()) ? text + line : whole;
  }

  #isCompound(head: string, tail: string): boolean {
    if (this.#words.has(`${head}-${tail}`)) return true;
    if (this.#words.has(head + tail)) return false;
    if (tail.length < shortestPart) return false;
    if (compoundStarts.has(head)) return true;
    return head.length >= shortestPart && this.#words.has(head) && this.#words.has(tail);
  }
}
