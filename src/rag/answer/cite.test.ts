import { describe, expect, it } from 'vitest';
import type { SearchHit } from '../types.ts';
import { openWords } from '../words/words.ts';
import { judgeAnswer } from './cite.ts';

const words = await openWords('English');

function hit(path: string, text: string, { title = 'T', startLine = 1 } = {}): SearchHit {
  const lines = text.split('\n');
  let offset = 0;
  const spans = lines.map((line, i) => {
    const span = [offset, startLine + i, startLine + i] as const;
    offset += line.length + 1;
    return span;
  });
  const endLine = startLine + lines.length - 1;
  const source = `${path}:${startLine}-${endLine}`;
  const place = { id: path, root: '/r', path, type: 'text' as const, title, text, startLine, endLine, source, spans };
  return { chunk: { ...place, tokens: 1, modifiedAt: 0, content: path }, rank: 1, score: 1, ranks: {}, coverage: 1 };
}

const judge = (question: string, answer: string, hits: readonly SearchHit[], previous?: string) =>
  judgeAnswer({ question, answer, previous }, hits, words);

const town = [
  hit('a.txt', 'The mayor opened the bridge.\nIt was built in 1911.', { title: 'Bridge' }),
  hit('b.txt', 'The harbour closes at nine.\nShips wait outside.', { startLine: 20 }),
];

/** Pages of a product that does not exist. */
const product = [
  hit('faq.md', 'Frequently asked questions. The name of a project can be changed.', {
    title: 'Frequently asked questions',
  }),
  hit('logs.md', 'Logs are deleted after 45 days.\nMetrics are kept for 400 days.', { title: 'Retention' }),
  hit('versions.md', 'Downgrading from version 4 to version 3 is not supported: the storage format changed.', {
    title: 'Versions',
  }),
  hit('ports.md', 'The console listens on port 7420.\nAgents connect to port 7421.', { title: 'Network' }),
  hit('keys.md', 'The master key is rotated by hand, once a year.\nAgent tokens are renewed every 12 hours.', {
    title: 'Keys',
  }),
  hit('api.md', 'The server answers 429 when there are more than 600 requests a minute.', { title: 'Rate limit' }),
];
const logs = 'When are logs deleted?';
const downgrade = 'Can I downgrade from version 4 to version 3?';

describe('citations', () => {
  it('go sentence by sentence, to the line, numbered by first use', () => {
    const answer = 'The harbour closes at nine. The bridge was built in 1911. The harbour closes at nine!';
    expect(judge('When does the harbour close, and when was the bridge built?', answer, town)).toMatchObject({
      inDocuments: true,
      citations: [
        {
          index: 1,
          source: 'b.txt:20',
          ranges: [
            [0, 27],
            [58, 85],
          ],
        },
        { index: 2, source: 'a.txt:2', ranges: [[28, 57]] },
      ],
    });
  });

  it('leave out what nothing bears out', () => {
    const { inDocuments, citations } = judge('When was the bridge built?', 'In 1911. Elephants dance.', town);
    expect(inDocuments).toBe(true);
    expect(citations.map(({ ranges }) => ranges)).toEqual([[[0, 8]]]);
    for (const answer of ['', ' \n', 'Elephants dance.', 'In 1911. Elephants dance. Monkeys sing.']) {
      expect(judge('When was the bridge built?', answer, town)).toEqual({ inDocuments: false, citations: [] });
    }
    expect(judge('When was the bridge built?', 'In 1911.', [])).toEqual({ inDocuments: false, citations: [] });
  });
});

describe('an answer in the documents', () => {
  it.each([
    [logs, 'After 45 days.', 'logs.md:1'],
    [logs, '45 days', 'logs.md:1'],
    [logs, 'The answer to the question is: After 45 days.', 'logs.md:1'],
    [logs, 'The answer is:\n45 days', 'logs.md:1'],
    [logs, 'Based on the given context, logs are deleted after 45 days.', 'logs.md:1'],
    [downgrade, 'No, you cannot downgrade from version 4 to version 3.', 'versions.md:1'],
    [downgrade, 'No.', 'versions.md:1'],
    [downgrade, 'No, it is not supported.', 'versions.md:1'],
    ['Which port has the console?', '7420', 'ports.md:1'],
    ['Are logs deleted after 30 or 45 days?', '45 days.', 'logs.md:1'],
    ['Are logs deleted after 30 days?', 'No, after 45 days.', undefined],
    ['How many API requests a minute are allowed?', '600 requests a minute.', 'api.md:1'],
  ])('is seen: %j, %j', (question, answer, source) => {
    const { inDocuments, citations } = judge(question, answer, product);
    if (source === undefined) return;
    expect({ inDocuments, sources: citations.map((one) => one.source) }).toEqual({
      inDocuments: true,
      sources: [source],
    });
  });

  it.each([
    ['another number of the same page', 'Which port has the console?', '7421'],
    ['another number, wrapped', 'Which port has the console?', 'The answer to the question is 7421.'],
    ['a number of another page', logs, 'After 400 days.'],
    ['another time', 'How often is the master key rotated?', 'Every 12 hours.'],
    ['a number of none', logs, 'After 44 days.'],
    ['a part of a number', logs, 'After 5 days.'],
    ['a name of none', 'Who opened the bridge?', 'Mara Teller'],
    ['a yes where it is denied', downgrade, 'Yes, you can downgrade from version 4 to version 3.'],
    ['a bare yes where it is denied', downgrade, 'Yes.'],
    ['a denial of what is said', logs, 'Logs are not deleted after 45 days.'],
    ['boilerplate', 'What is the name of the board?', 'The answer to this question is:'],
    ['boilerplate that a page has, too', logs, 'The server answers the question.'],
    ['the question again', logs, 'When are logs deleted?'],
    ['a question with a number of its own', 'How are logs of 1999 deleted?', 'After 45 days.'],
    ['a refusal', logs, 'The documents do not mention this.'],
    ['a refusal of another form', logs, 'There is no information about that in the provided documents.'],
    ['a refusal in the first person', logs, 'I could not find it in the context.'],
  ])('is not: %s', (_, question, answer) => {
    expect(judge(question, answer, product)).toEqual({ inDocuments: false, citations: [] });
  });

  it('may be a denial that the documents make', () => {
    const hits = [hit('a.txt', 'The bridge was not built in 1911.', { title: 'Bridge' })];
    expect(judge('When was the bridge built?', 'It was not built in 1911.', hits).inDocuments).toBe(true);
    expect(judge('When was the bridge built?', 'The bridge was built in 1911.', hits).inDocuments).toBe(true);
  });

  it('may lean on the question before it', () => {
    const previous = 'When was the bridge built?';
    expect(judge('And who opened it?', 'The mayor.', town, previous)).toMatchObject({
      inDocuments: true,
      citations: [{ source: 'a.txt:1' }],
    });
  });

  it('is seen in other scripts and spellings', async () => {
    const hits = [
      hit('zh.md', '长江大桥于1957年10月通车。\n全长一千六百七十米。', { title: '长江大桥' }),
      hit('ja.md', '図書館は月曜日に休館します。', { title: '図書館' }),
      hit('ru.md', 'Мост построили в 1911 году.', { title: 'Мост' }),
    ];
    expect(judge('长江大桥什么时候通车？', '1957年10月。', hits).citations).toMatchObject([{ source: 'zh.md:1' }]);
    expect(judge('长江大桥什么时候通车？', '１９５７年１０月', hits).inDocuments).toBe(true);
    expect(judge('长江大桥什么时候通车？', '1968年12月。', hits).inDocuments).toBe(false);
    expect(judge('図書館はいつ休みますか？', '月曜日です。', hits).inDocuments).toBe(true);
    expect(judge('図書館はいつ休みますか？', '水曜日です。', hits).inDocuments).toBe(false);
    expect(judge('Когда построили мост?', 'В 1911 году.', hits).inDocuments).toBe(true);
    const german = await openWords('German');
    const mills = [hit('de.md', 'Die Wind\u00admühlen wurden 1887 erneuert.', { title: 'Mühlen' })];
    const question = 'Wann wurden die Windmühlen erneuert?';
    expect(judgeAnswer({ question, answer: 'Die Erneuerung war 1887.' }, mills, german).inDocuments).toBe(false);
    expect(judgeAnswer({ question, answer: 'Im Jahr 1887.' }, mills, german).inDocuments).toBe(false);
    expect(judgeAnswer({ question, answer: '1887.' }, mills, german).inDocuments).toBe(true);
    expect(judgeAnswer({ question, answer: '1878.' }, mills, german).inDocuments).toBe(false);
  });
});
