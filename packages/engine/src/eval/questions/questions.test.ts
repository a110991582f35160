import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
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
    const behind = { text: 'It was rebuilt.', previous: { title: 'Bridge', text: 'Opened in 1911.' } };
    const path = file([{ ...own, passages: [behind] }, dpr, blocks].map((line) => JSON.stringify(line)).join('\n\n'));
    expect(await readQuestions(path)).toEqual([
      { ...own, passages: [behind] },
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

describe('sets of questions', () => {
  const rivers = ['Ald', 'Bor', 'Cim', 'Dun', 'Els'].map((name, i) => ({
    set: 'rivers',
    id: `${name}:0`,
    title: name,
    text: `The river ${name} is ${(i + 1) * 10} km long. It rises in the hills.`,
    qas: [
      { question: `How long is the river ${name}?`, answers: [`${(i + 1) * 10} km`] },
      { question: `Who named the ${name}?`, answers: [], plausible: ['the hills'] },
    ],
  }));
  const jsonl = (rows: readonly unknown[]) => rows.map((row) => JSON.stringify(row)).join('\n');

  it('asks what stands under one paragraph, unanswerable questions included', async () => {
    const read = await readQuestions(file(gzipSync(jsonl(rivers))));
    expect(read).toHaveLength(10);
    expect(read[0]).toEqual({
      question: 'How long is the river Ald?',
      answers: ['10 km'],
      passages: [{ title: 'Ald', text: rivers[0]?.text }],
    });
    expect(read[1]).toMatchObject({ answers: [], passages: [{ title: 'Ald' }] });
    // The same by other names of the fields.
    const others = rivers.map(({ title, text, qas }) => ({ title, text, questions: qas }));
    expect(await readQuestions(file(jsonl(others)))).toEqual(read);
    const single = { question: 'How long?', answers: ['10 km'], title: 'Ald', text: 'The Ald is 10 km long.' };
    expect(await readQuestions(file(jsonl([single])))).toEqual([
      { question: 'How long?', answers: ['10 km'], passages: [{ title: 'Ald', text: 'The Ald is 10 km long.' }] },
    ]);
  });

  it('adds paragraphs that do not answer, always the same, and an answer of one of them', async () => {
    const path = file(jsonl(rivers));
    const read = await readQuestions(path, { passages: 3 });
    const places = new Set<number>();
    for (const { answers, passages, wrong } of read) {
      expect(passages).toHaveLength(3);
      expect(new Set(passages.map(({ title }) => title)).size).toBe(3);
      const holding = passages.filter(({ text }) => answers.some((answer) => text.includes(answer)));
      expect(holding).toHaveLength(answers.length);
      places.add(passages.findIndex(({ text }) => text === holding[0]?.text));
      expect(passages.some(({ text }) => text.includes(wrong ?? 'nothing'))).toBe(true);
      expect(answers).not.toContain(wrong);
    }
    // The one that answers stands anywhere.
    expect(places.size).toBeGreaterThan(1);
    expect(await readQuestions(path, { passages: 3, limit: 4 })).toEqual(read.slice(0, 4));
    await expect(readQuestions(path, { passages: 6 })).rejects.toThrow(
      '5 paragraphs: ask for at most as many passages, not 6',
    );
  });

  it('keeps the passages that answer when it takes fewer', async () => {
    const passages = ['a', 'b', 'c', 'd', 'e'].map((text, i) => ({ title: text, text, gold: i === 1 || i === 4 }));
    const path = file(jsonl([{ question: 'Which?', answers: ['b'], passages }]));
    const texts = async (count: number) =>
      (await readQuestions(path, { passages: count })).flatMap((one) => one.passages.map(({ text }) => text));
    expect(await texts(2)).toEqual(['b', 'e']);
    expect(await texts(3)).toEqual(['a', 'b', 'e']);
    expect(await texts(9)).toEqual(['a', 'b', 'c', 'd', 'e']);
  });

  it('finds the paragraphs that references name in the file beside it', async () => {
    const refs = {
      question: 'How long is the Bor?',
      answers: ['20 km'],
      passages: [
        { ref: 'Ald:0', gold: false },
        { ref: 'Bor:0', gold: true },
      ],
    };
    const path = join(folder, 'rivers-2p-refs.jsonl');
    writeFileSync(path, jsonl([refs]));
    await expect(readQuestions(path)).rejects.toThrow('the file with their texts is missing');
    writeFileSync(join(folder, 'rivers.jsonl.gz'), gzipSync(jsonl(rivers)));
    const [read] = await readQuestions(path);
    expect(read?.passages.map(({ title }) => title)).toEqual(['Ald', 'Bor']);
    expect((await readQuestions(path, { passages: 1 }))[0]?.passages).toMatchObject([{ title: 'Bor' }]);
    writeFileSync(path, jsonl([{ ...refs, passages: [{ ref: 'Xyz:1' }] }]));
    await expect(readQuestions(path)).rejects.toThrow('"Xyz:1"');
  });

  it('draws some of many, always the same', async () => {
    const path = file(jsonl(rivers));
    const drawn = await readQuestions(path, { sample: 4 });
    expect(new Set(drawn.map(({ question }) => question)).size).toBe(4);
    expect(await readQuestions(path, { sample: 4 })).toEqual(drawn);
    expect(drawn).not.toEqual((await readQuestions(path)).slice(0, 4));
    expect(await readQuestions(path, { sample: 99 })).toEqual(await readQuestions(path));
  });

  it('refuses an archive that is none', async () => {
    const cut = gzipSync(jsonl(rivers)).subarray(0, 40);
    await expect(readQuestions(file(cut))).rejects.toMatchObject({ code: 'INVALID_DATA' });
    await expect(readQuestions(file(cut))).rejects.toThrow('cannot be unpacked');
  });
});

describe('parseQuestion', () => {
  it.each([
    ['[]', 'x:1 is not an object'],
    ['{"question": "q", "answers": ["a"]}', 'field "passages" is missing'],
    ['{"text": "t", "qas": []}', 'x:1 asks nothing'],
    ['{"text": "t", "qas": [{"question": "q"}]}', 'field "qas[0].answers"'],
    ['{"text": " ", "qas": []}', 'field "text": is empty'],
    ['{"text": "t"}', 'field "question"'],
    [JSON.stringify({ ...own, passages: [{ ref: '' }] }), 'field "passages[0]'],
    [JSON.stringify({ ...own, passages: [{ ref: 'a' }] }), 'no paragraph has the id "a"'],
    [JSON.stringify({ ...own, question: ' ' }), 'field "question": is empty'],
    [JSON.stringify({ ...own, answers: 'a' }), 'field "answers"'],
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
