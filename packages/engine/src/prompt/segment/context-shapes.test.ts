import { describe, expect, it } from 'vitest';
import { contextShapes, findSources } from './context-shapes.ts';

const bridge =
  'The Varn Bridge was opened in 1931. It crosses the Arve below the mill, and it was closed for two years after the flood of 1960.';
const keys =
  'Keys are rotated every ninety days by the operator.\n\nA lost key is reported to the harbour office, which keeps a list of all of them.';
const town =
  'Tessen is a town of clock makers. Its market is held on Thursdays, in front of the old customs house, whatever the weather is like.';
const sources = [bridge, keys, town];

interface Written {
  readonly shape: string;
  readonly where?: 'system';
  /** The prompt with these sources, as the program writes it. */
  readonly write: (texts: readonly string[]) => string;
}

const numbered = (texts: readonly string[]) =>
  texts.map((text, i) => `<source id="${i + 1}" name="file ${i}.pdf">${text}</source>`).join('\n');
const dashes = (count: number) => '-'.repeat(count);

/** Marks as the programs' current templates have them; the words between are this test's own. */
const written: readonly Written[] = [
  {
    shape: 'Open WebUI',
    write: (texts) =>
      `### Task:\nCite sources that have an id (e.g., <source id="1">).\n\n<context>\n${numbered(texts)}\n</context>\nWhen was it opened?`,
  },
  {
    shape: 'Open WebUI',
    write: (texts) =>
      `<context>\n${texts.map((text, i) => `<source><source_id>${i + 1}</source_id><source_context>${text}</source_context></source>`).join('\n')}\n</context>\n\n<user_query>\nWhen?\n</user_query>`,
  },
  {
    shape: 'AnythingLLM',
    write: (texts) =>
      `Answer from what follows.\nContext:\n${texts.map((text, i) => `[CONTEXT ${i}]:\n${text}\n[END CONTEXT ${i}]\n\n`).join('')}`,
  },
  {
    shape: 'LlamaIndex',
    write: (texts) =>
      `Context is below.\n${dashes(21)}\n${texts.map((text, i) => `file_path: doc${i}.md\n\n${text}`).join('\n\n')}\n${dashes(21)}\nAnswer the query.\nQuery: When?\nAnswer: `,
  },
  {
    shape: 'LangChain, chat',
    where: 'system',
    write: (texts) => `Use the context to answer.\n${dashes(16)}\n${texts.join('\n\n')}`,
  },
  {
    shape: 'LangChain, text',
    write: (texts) => `Use the context.\n\n${texts.join('\n\n')}\n\nQuestion: When?\nHelpful Answer:`,
  },
  {
    shape: 'LangChain, question first',
    write: (texts) => `Answer the question.\nQuestion: When? \nContext: ${texts.join('\n\n')} \nAnswer:`,
  },
  { shape: 'context tags', write: (texts) => `Use this:\n\n<context>\n${texts.join('\n\n')}\n</context>\n\nWhen?` },
];

const found = (text: string, where?: 'system') => {
  const result = findSources(text, where);
  return result && { shape: result.shape.name, sources: result.sources.map(([start, end]) => text.slice(start, end)) };
};
/** Where nothing but blank lines part sources, a source of two long paragraphs is two. */
const parted = (texts: readonly string[]) => texts.flatMap((text) => text.split('\n\n'));

describe.each(written)('$shape', ({ shape, where, write }) => {
  const marked = /WebUI|Anything/.test(shape);

  it('gives the sources, without numbers and rulers', () => {
    const result = found(write(sources), where);
    expect(result?.shape).toBe(shape);
    const texts = result?.sources ?? [];
    if (marked) expect(texts).toEqual(sources);
    else if (shape === 'LlamaIndex') {
      expect(texts).toEqual(sources.map((text, i) => `file_path: doc${i}.md\n\n${text}`));
    } else {
      // A short paragraph goes with the next.
      const [first = '', ...rest] = parted([keys]);
      expect(texts).toEqual([bridge, [first, ...rest].join('\n\n'), town]);
    }
  });

  it('gives the same texts in any order and company', () => {
    const texts = (all: readonly string[]) => found(write(all), where)?.sources ?? [];
    if (shape === 'LlamaIndex') return;
    expect(new Set(texts([town, bridge, keys]))).toEqual(new Set(texts(sources)));
    expect(texts([town])).toEqual([town]);
  });

  it('takes a source that holds another program’s marks', () => {
    const odd = `${bridge} </source> <source id="9"> [END CONTEXT 7] <context> ${dashes(30)} Answer: x`;
    const texts = found(write([odd, town]), where)?.sources.join('|') ?? '';
    expect(texts).toContain(odd);
    expect(texts).toContain(town);
  });

  it('is none without its sources, and with far too many', () => {
    expect(found(write([]), where)).toBeUndefined();
    expect(found(write(Array.from({ length: 200 }, (_, i) => `${i} ${bridge}`)), where)).toBeUndefined();
  });

  it('is none when it is cut off', () => {
    const text = write(sources);
    const cut = text.slice(0, text.indexOf(town) + 10);
    if (where !== 'system') expect(found(cut)).toBeUndefined();
  });
});

describe('what is not a context section', () => {
  it.each([
    'When was the bridge opened?',
    `Notes on sixteen\n${dashes(16)}\n${bridge}\n\n${keys}`,
    `Table\n${dashes(21)}\n${bridge}\n${dashes(21)}\n`,
    `<source id="1">${bridge}</source>`,
    `Question: what?\nAnswer:`,
    '<context></context>',
    '</context><context>',
    `[CONTEXT 1]:\n${bridge}\n[END CONTEXT 1]`,
  ])('is left alone: %s', (text) => {
    expect(findSources(text)).toBeUndefined();
  });

  it('is read in one pass, however often its marks come', () => {
    const floods = [
      '<source id="1">',
      '</source>',
      '[CONTEXT 0]:\n',
      '\n\n',
      ' ',
      '<context>',
      'a: b\n\n',
      '</source> ',
    ];
    // The square of these lengths would take hours.
    for (const flood of [...floods, `\n${dashes(21)}\n`]) {
      const text = `<context>${flood.repeat(400_000)}</context>`;
      for (const shape of contextShapes) expect(shape.find(text).length).toBeLessThan(text.length);
    }
  });
});
