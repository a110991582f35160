import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { parseQuestion, readQuestions } from './questions.ts';

const folder = mkdtempSync(join(tmpdir(), 'block-attention-questions-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));
const file = (content: string | Uint8Array) => {
  const path = join(folder, 'questions.jsonl');
  writeFileSync(path, content);
  return path;
};
const own = {
  question: 'When?',
  answers: ['1911', 'in 1911'],
  passages: [{ title: 'Bridge', text: 'Opened in 1911.' }],
};

describe('readQuestions', () => {
  it('reads the three layouts from one file', async () => {
    const dpr = { question: 'Who?', answers: ['Ada'], ctxs: [{ id: '7', title: '', text: 'Ada did.', score: 1 }] };
    const blocks = { blocks: ['One.', 'Two.'], question: 'What?', answer: 'Two' };
    const path = file([own, dpr, blocks].map((line) => JSON.stringify(line)).join('\n\n'));
    expect(await readQuestions(path)).toEqual([
      own,
      { question: 'Who?', answers: ['Ada'], passages: [{ text: 'Ada did.' }] },
      { question: 'What?', answers: ['Two'], passages: [{ text: 'One.' }, { text: 'Two.' }] },
    ]);
    expect(await readQuestions(path, { limit: 2 })).toHaveLength(2);
    expect((await readQuestions(path, { passagesPerQuestion: 1 })).map(({ passages }) => passages.length)).toEqual([
      1, 1, 1,
    ]);
  });

  it('names the line, blank ones counted', async () => {
    await expect(readQuestions(file(`${JSON.stringify(own)}\n\n{`))).rejects.toThrow(/questions\.jsonl:3 is not JSON/);
  });

  it.each([
    ['', /holds no questions/],
    [new Uint8Array([0xff, 0xfe]), /not UTF-8/],
  ])('refuses a file of %j', async (content, message) => {
    await expect(readQuestions(file(content))).rejects.toThrow(message);
  });

  it('refuses what cannot be read, and numbers that cannot be', async () => {
    await expect(readQuestions(join(folder, 'none'))).rejects.toMatchObject({ code: 'INVALID_DATA' });
    await expect(readQuestions(file(''), { limit: 0 })).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' });
  });
});

describe('parseQuestion', () => {
  it.each([
    ['[]', 'x:1 is no object'],
    ['{"question": "q", "answers": ["a"]}', 'field "passages" is missing'],
    [JSON.stringify({ ...own, question: ' ' }), 'field "question": is empty'],
    [JSON.stringify({ ...own, answers: 'a' }), 'field "answers"'],
    [JSON.stringify({ ...own, answers: [] }), 'field "answers": is empty'],
    [JSON.stringify({ ...own, answers: ['a', 3] }), 'field "answers[1]"'],
    [JSON.stringify({ ...own, passages: [] }), 'field "passages": is empty'],
    [JSON.stringify({ ...own, passages: [{ text: 'a' }, { title: 'b' }] }), 'field "passages[1].text"'],
    [JSON.stringify({ ...own, passages: [{ title: 5, text: 'a' }] }), 'field "passages[0].title"'],
    ['{"blocks": ["a", ""], "question": "q", "answer": "a"}', 'field "blocks[1]": is empty'],
    ['{"blocks": ["a"], "question": "q"}', 'field "answer"'],
  ])('refuses %s', (line, message) => {
    expect(() => parseQuestion(line, 'x:1')).toThrow(expect.objectContaining({ code: 'INVALID_DATA' }));
    expect(() => parseQuestion(line, 'x:1')).toThrow(message);
  });
});
