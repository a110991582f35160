/**
 * Where the sources stand in prompts that programs write as plain text: a table of the shapes of their context sections.
 *
 * A shape knows the marks around sources, nothing of prompts as blocks. It says where each source begins and ends; what
 * lies between (tags, numbers, rulers) is not a part of one, so the same source is the same text at any place and number.
 * A shape that does not fit to the letter is none: then the text is cut as any other. Every search is linear.
 */

/** Half-open, in characters. */
export type SourceRange = readonly [start: number, end: number];

export interface ContextShape {
  /** The program that writes it. */
  readonly name: string;
  /** `system`: it is found in a system message alone. */
  readonly where: 'system' | 'any';
  /** The sources in order; none where the text is not of this shape. */
  find(text: string): readonly SourceRange[];
}

/** More are cut as any other text: hundreds of blocks cost more than they save. */
const mostSources = 64;
/** A paragraph below this goes with the one behind it: headings, and blocks of a few words. */
const leastParagraph = 128;

/** The first shape that a text has, with its sources; undefined where it has none. @param where the text stands */
export function findSources(
  text: string,
  where: 'system' | 'any' = 'any',
): { readonly shape: ContextShape; readonly sources: readonly SourceRange[] } | undefined {
  for (const shape of contextShapes) {
    if (shape.where === 'system' && where !== 'system') continue;
    const sources = shape.find(text).filter(([start, end]) => text.slice(start, end).trim() !== '');
    if (sources.length > 0) return sources.length <= mostSources ? { shape, sources } : undefined;
  }
  return undefined;
}

export const contextShapes: readonly ContextShape[] = [
  {
    // <context> <source id="1" name="a.pdf">…</source> … </context>, also with <source_id> and <source_context> inside.
    name: 'Open WebUI',
    where: 'any',
    find(text) {
      const [start, end] = between(text, '<context>', '</context>') ?? [0, 0];
      return tagged(text, start, end);
    },
  },
  {
    // Context: [CONTEXT 0]: … [END CONTEXT 0] [CONTEXT 1]: …
    name: 'AnythingLLM',
    where: 'any',
    find(text) {
      const sources: SourceRange[] = [];
      let at = text.indexOf('[CONTEXT 0]:\n');
      for (let i = 0; at >= 0; i++) {
        const open = `[CONTEXT ${i}]:\n`;
        if (!text.startsWith(open, at)) break;
        const close = `\n[END CONTEXT ${i}]`;
        const end = text.indexOf(close, at + open.length);
        if (end < 0) return [];
        sources.push([at + open.length, end]);
        at = afterBlanks(text, end + close.length);
      }
      return sources;
    },
  },
  {
    // A line of 21 dashes, the sources, another such line.
    name: 'LlamaIndex',
    where: 'any',
    find(text) {
      const ruler = `${'-'.repeat(21)}\n`;
      const first = text.startsWith(ruler) ? 0 : text.indexOf(`\n${ruler}`) + 1;
      if (first === 0 && !text.startsWith(ruler)) return [];
      const start = first + ruler.length;
      const end = text.indexOf(`\n${ruler}`, start - 1);
      return end < start || !speaksOfContext(text, first) ? [] : paragraphs(text, start, end);
    },
  },
  {
    // An instruction, a line of 16 dashes, the sources to the end: the system message of a stuffing chain.
    name: 'LangChain, chat',
    where: 'system',
    find(text) {
      const ruler = `\n${'-'.repeat(16)}\n`;
      const at = text.indexOf(ruler);
      return at < 0 || !speaksOfContext(text, at) ? [] : paragraphs(text, at + ruler.length, text.length);
    },
  },
  {
    // An instruction, the sources, the question, "Helpful Answer:".
    name: 'LangChain, text',
    where: 'any',
    find(text) {
      if (!text.trimEnd().endsWith('\nHelpful Answer:')) return [];
      const start = text.indexOf('\n\n') + 2;
      const end = text.lastIndexOf('\n\nQuestion: ');
      return start < 2 || end < start ? [] : paragraphs(text, start, end);
    },
  },
  {
    // "Question: … Context: … Answer:", as the prompt that LangChain's guides pull.
    name: 'LangChain, question first',
    where: 'any',
    find(text) {
      if (!text.trimEnd().endsWith('\nAnswer:')) return [];
      const mark = '\nContext: ';
      const question = text.indexOf('Question: ');
      const at = question < 0 ? -1 : text.indexOf(mark, question);
      return at < 0 ? [] : paragraphs(text, at + mark.length, text.lastIndexOf('\nAnswer:'));
    },
  },
  {
    // <context> … </context>: prompts of one's own by the guides of LangChain, LlamaIndex and others.
    name: 'context tags',
    where: 'any',
    find(text) {
      const [start, end] = between(text, '<context>', '</context>') ?? [0, 0];
      return paragraphs(text, start, end);
    },
  },
];

/** Whether what stands before calls itself an instruction about a context: a ruler alone may be anybody's. */
function speaksOfContext(text: string, before: number): boolean {
  return /\bcontext\b/i.test(text.slice(Math.max(0, before - 2048), before));
}

/** What the first opening and the last closing mark enclose. */
function between(text: string, open: string, close: string): SourceRange | undefined {
  const at = text.indexOf(open);
  const end = text.lastIndexOf(close);
  return at < 0 || end < at + open.length ? undefined : [at + open.length, end];
}

function afterBlanks(text: string, from: number): number {
  let at = from;
  while (/\s/.test(text[at] ?? '')) at++;
  return at;
}

/** Sources in tags, one behind another and nothing beside them. */
function tagged(text: string, start: number, end: number): readonly SourceRange[] {
  const sources: SourceRange[] = [];
  const close = '</source>';
  let at = afterBlanks(text, start);
  while (at < end) {
    const tag = /^<source(?: [^<>\n]{0,1024})?>/.exec(text.slice(at, Math.min(at + 1100, end)))?.[0];
    if (tag === undefined) return [];
    const [next, last] = sourceEnd(text, at + tag.length, end, close);
    if (last < 0) return [];
    sources.push(innermost(text, at + tag.length, last));
    at = next;
  }
  return sources;
}

/** Where a source ends: at a closing tag that a line with another source, or the section's end, follows. A source may hold one. */
function sourceEnd(text: string, from: number, end: number, close: string): readonly [next: number, last: number] {
  for (let at = text.indexOf(close, from); at >= 0 && at < end; at = text.indexOf(close, at + 1)) {
    const next = afterBlanks(text, at + close.length);
    const nextLine = text[at + close.length] === '\n' && /^<source[ >]/.test(text.slice(next, next + 8));
    if (next >= end || nextLine) return [next, at];
  }
  return [end, -1];
}

/** The text within the tags of earlier releases, which number sources by an element. */
function innermost(text: string, start: number, end: number): SourceRange {
  const open = '<source_context>';
  const close = '</source_context>';
  const at = text.startsWith('<source_id>', start) ? text.indexOf(open, start) : -1;
  const last = text.lastIndexOf(close, end);
  return at >= 0 && last > at && last < end ? [at + open.length, last] : [start, end];
}

/**
 * Sources that nothing but blank lines part: what programs join so, and cut so, comes again as the same paragraphs. Where
 * each begins with a field of its metadata (`file_path: …`), the sources are found by it.
 */
function paragraphs(text: string, start: number, end: number): readonly SourceRange[] {
  const found: SourceRange[] = [];
  const field = /^[\w .-]{1,40}: /.exec(text.slice(start, start + 64))?.[0];
  const isFirst = (at: number) => field !== undefined && text.startsWith(field, at);
  const fields = field === undefined ? 0 : countParagraphs(text, start, end, isFirst);
  let from = afterBlanks(text, start);
  const put = (at: number) => {
    if (at > from) found.push([from, at]);
  };
  for (const [at, next] of blankLines(text, start, end)) {
    // What has far too many is not a context section.
    if (found.length > mostSources) return found;
    if (next >= end || at <= from) continue;
    if (fields > 1 ? !isFirst(next) : at - from < leastParagraph) continue;
    put(at);
    from = next;
  }
  put(lastVisible(text, from, end));
  return found;
}

/** The end of a text without the blanks at it. */
function lastVisible(text: string, start: number, end: number): number {
  let last = end;
  while (last > start && /\s/.test(text[last - 1] ?? '')) last--;
  return last;
}

function countParagraphs(text: string, start: number, end: number, is: (at: number) => boolean): number {
  let count = is(afterBlanks(text, start)) ? 1 : 0;
  for (const [, next] of blankLines(text, start, end)) if (next < end && is(next)) count += 1;
  return count;
}

/** Where blank lines begin, and where the text behind them does. */
function* blankLines(text: string, start: number, end: number): Generator<SourceRange> {
  for (let at = text.indexOf('\n\n', start); at >= 0 && at < end; ) {
    const next = Math.min(afterBlanks(text, at), end);
    yield [at, next];
    at = text.indexOf('\n\n', Math.max(next, at + 1));
  }
}
