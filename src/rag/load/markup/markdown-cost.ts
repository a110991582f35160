/**
 * Whether Markdown can be parsed in a time that its length lets expect. The parser takes the square of the containers
 * around a line and of the marks in a paragraph: a file of 100 KB made for it would take minutes. Counted, not timed, so
 * that a file is read the same way on every machine.
 */

/** Summed over lines, the square of the lists and quotes around each: 300 lists in one another are 9 million. */
const mostNesting = 40_000_000;
/** In one line; more end the parser's call stack. */
const deepest = 1000;
/** Summed over paragraphs, the square of the marks of emphasis and links in each. */
const mostMarks = 100_000_000;

/** Lists and quotes that a line begins, with the white space in front of them. */
const containers = /^(?:[ \t]*(?:>|[-+*](?=\s)|\d{1,9}[.)](?=\s)))*[ \t]*/;
const fence = /^[ \t>]*(```+|~~~+)/;
/** What begins text of its own, whatever stands above it. */
const ownText = /^\s*([-+*]\s|#)/;
const tableRule = /^[ \t>]*[|:-][\s|:-]*-[\s|:-]*$/;

/** Why the text would take too long to parse; undefined when it does not. */
export function tooCostly(text: string): string | undefined {
  let nesting = 0;
  let marks = 0;
  let depth = 0;
  let open = 0;
  let table = false;
  let inFence: string | undefined;
  const close = () => {
    marks += open * open;
    open = 0;
  };
  for (const line of text.split('\n')) {
    const mark = fence.exec(line)?.[1];
    if (inFence !== undefined) {
      if (mark?.startsWith(inFence)) inFence = undefined;
      continue;
    }
    if (mark !== undefined) inFence = mark;
    if (line.trim() === '') {
      close();
      table = false;
      continue;
    }
    const [head = ''] = containers.exec(line) ?? [];
    const indent = head.length - head.trimEnd().length;
    const own = head.match(/[>\-+*.)]/g)?.length ?? 0;
    // An item's text is indented by two at least, so that much white space in front means as many lists around.
    depth = own > 0 ? own + (/^\s*/.exec(head)?.[0].length ?? 0) / 2 : Math.min(depth, indent / 2);
    if (depth > deepest) return `a line of it lies within ${Math.floor(depth)} lists and quotes, too many`;
    nesting += depth * depth;
    if (nesting > mostNesting) return 'its lists and quotes nest too deeply';
    if (table || ownText.test(line)) close();
    table ||= tableRule.test(line) && line.includes('|');
    open += line.match(/[*_]+|\]/g)?.length ?? 0;
    if (marks + open * open > mostMarks) return 'a paragraph of it holds too many marks';
  }
  return undefined;
}
