import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { parseSample, readTrainingData } from './training-data.ts';

const folder = mkdtempSync(join(tmpdir(), 'block-attention-data-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const parse = (value: unknown) => parseSample(JSON.stringify(value), 'train.jsonl:3');
const passages = [
  { title: 'A', text: 'one' },
  { title: null, text: 'two' },
];

describe('a line of training data', () => {
  it('is a question over passages, in any of three layouts', () => {
    const expected = { history: [], questions: [{ question: 'q', answer: 'a' }], where: 'train.jsonl:3' };
    expect(parse({ question: 'q', answers: ['a', 'b'], passages })).toEqual({
      ...expected,
      system: undefined,
      passages: [{ title: 'A', text: 'one' }, { text: 'two' }],
    });
    expect(parse({ question: 'q', answers: ['b'], answer: 'a', ctxs: passages, system: 's', score: 1 })).toMatchObject({
      ...expected,
      system: 's',
    });
    expect(parse({ question: 'q', answer: 'a', blocks: ['one', 'two'] }).passages).toEqual([
      { text: 'one' },
      { text: 'two' },
    ]);
  });

  it('is several questions over the same passages, some of which have no answer in them', () => {
    const questions = [
      { question: 'q1', answers: ['a', 'b'] },
      { question: 'q2', answers: [] },
      { question: 'q3', answer: 'c', answers: [] },
    ];
    const read = parse({ questions, passages, system: 's', id: 7 });
    expect(read).toMatchObject({ system: 's', passages: [{ title: 'A', text: 'one' }, { text: 'two' }], history: [] });
    expect(read.questions).toEqual([
      { question: 'q1', answer: 'a' },
      { question: 'q2', answer: 'The documents do not answer this.' },
      { question: 'q3', answer: 'c' },
    ]);
    const own = parseSample(JSON.stringify({ question: 'q', answers: [], passages }), 'train.jsonl:3', 'Not stated.');
    expect(own.questions).toEqual([{ question: 'q', answer: 'Not stated.' }]);
  });

  it('is a conversation, with or without documents', () => {
    const messages = [
      { role: 'system', content: 's' },
      { role: 'user', content: 'u1' },
      { role: 'assistant', content: 'a1' },
      { role: 'user', content: 'u2' },
      { role: 'assistant', content: 'a2' },
    ];
    const expected = {
      system: 's',
      history: [{ user: 'u1', assistant: 'a1' }],
      questions: [{ question: 'u2', answer: 'a2' }],
    };
    expect(parse({ messages, documents: passages })).toMatchObject({ ...expected, passages: [{ text: 'one' }, {}] });
    expect(parse({ messages })).toMatchObject({ ...expected, passages: [] });
  });

  it.each([
    ['{', 'train.jsonl:3 is not JSON'],
    ['[1]', 'train.jsonl:3 is not an object'],
    ['{"question": "q"}', 'field "passages" is missing: give "passages", "ctxs", "blocks" or "messages"'],
    ['{"question": "q", "passages": [{"text": "t"}]}', 'field "answers" is missing'],
    ['{"questions": [], "passages": [{"text": "t"}]}', 'field "questions": is empty'],
    ['{"questions": [{"question": "q"}], "passages": [{"text": "t"}]}', 'field "questions[0].answers" is missing'],
    [
      '{"questions": [{"question": "q", "answers": [1]}], "passages": [{"text": "t"}]}',
      'field "questions[0].answers[0]"',
    ],
    ['{"questions": [{"question": "q", "answers": []}]}', 'field "passages"'],
    ['{"question": " ", "answer": "a", "blocks": ["b"]}', 'field "question": is empty'],
    ['{"question": "q", "answer": "a", "blocks": ["b", 7]}', 'field "blocks[1]"'],
    ['{"question": "q", "answer": "a", "passages": [{"text": "t"}, {"title": "x"}]}', 'field "passages[1].text"'],
    ['{"messages": [{"role": "user", "content": "u"}]}', 'field "messages": needs'],
    [
      '{"messages": [{"role": "user", "content": "u"}, {"role": "user", "content": "v"}]}',
      '"messages[1].role" is "user"',
    ],
    [
      '{"messages": [{"role": "system", "content": "s"}, {"role": "user", "content": "u"}]}',
      'field "messages" ends with a user message',
    ],
  ])('%s is refused', (line, message) => {
    expect(() => parseSample(line, 'train.jsonl:3')).toThrow(message);
  });

  it('is counted from 1 in files, blank ones included', async () => {
    const path = join(folder, 'train.jsonl');
    const line = JSON.stringify({ question: 'q', answers: ['a'], passages });
    writeFileSync(path, `${line}\n\n${line}\n`);
    const read = await readTrainingData(path, { passagesPerSample: 1 });
    expect(read.map(({ where, passages: kept }) => [where, kept.length])).toEqual([
      [`${path}:1`, 1],
      [`${path}:3`, 1],
    ]);
    expect(await readTrainingData(path, { limit: 1 })).toHaveLength(1);
    writeFileSync(path, '\n');
    await expect(readTrainingData(path)).rejects.toThrow('holds no samples');
    await expect(readTrainingData(join(folder, 'none'))).rejects.toMatchObject({ code: 'INVALID_DATA' });
    writeFileSync(path, Buffer.from([0xff, 0xfe]));
    await expect(readTrainingData(path)).rejects.toThrow('is not UTF-8');
  });
});
