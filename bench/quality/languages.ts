/**
 * Retrieval in other languages and scripts:
 *   npm run bench -- languages --data FOLDER [--every 5]
 * FOLDER holds files in SQuAD's form (`{data: [{title, paragraphs: [{context, qas: [{question}]}]}]}`) named after their
 * language, such as XQuAD's `xquad.th.json`. Each is searched in an index of English, the default, and in one of its own
 * language; compared with plain BM25 over what stands between blanks and punctuation. `refused` is the share of questions
 * that the default floor of coverage would not put to a model, though their paragraph is there.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { bm25 } from '../../packages/engine/src/eval/questions/bm25.ts';
import { describeMachine } from '../../packages/engine/src/eval/ttft/machine.ts';
import { mayAnswer } from '../../src/rag/answer/not-in-documents.ts';
import { type DocumentIndex, defaultMinCoverage } from '../../src/rag/index.ts';
import { findLanguage } from '../../src/rag/words/languages.ts';
import { printResult, round } from '../support/harness.ts';
import { indexParagraphs } from '../support/paragraph-index.ts';

const { values } = parseArgs({ options: { data: { type: 'string' }, every: { type: 'string', default: '5' } } });
if (values.data === undefined) throw new Error('--data FOLDER is missing');
const folder = values.data;
const every = Number(values.every);

interface Entry {
  readonly title: string;
  readonly text: string;
  readonly questions: readonly string[];
}

function read(file: string): Entry[] {
  const { data } = JSON.parse(readFileSync(join(folder, file), 'utf8')) as {
    data: { title?: string; paragraphs: { context: string; qas: { question: string }[] }[] }[];
  };
  return data.flatMap(({ title = '', paragraphs }) =>
    paragraphs.map(({ context, qas }) => ({ title, text: context, questions: qas.map(({ question }) => question) })),
  );
}

const percent = (count: number, all: number) => round((100 * count) / all, 1);

async function measure(index: DocumentIndex, asked: readonly { question: string; id: number }[]) {
  let [first, ten, refused] = [0, 0, 0];
  for (const { question, id } of asked) {
    const hits = await index.search(question, { top: 10 });
    const at = hits.findIndex(({ chunk }) => chunk.path === `${id}.md`);
    if (at === 0) first += 1;
    if (at >= 0) ten += 1;
    if (!mayAnswer(hits, defaultMinCoverage)) refused += 1;
  }
  const all = asked.length;
  return { '@1': percent(first, all), '@10': percent(ten, all), refused: percent(refused, all) };
}

const rows: Record<string, string | number>[] = [];
for (const file of readdirSync(folder)
  .filter((name) => name.endsWith('.json'))
  .sort()) {
  const language = findLanguage(file.split('.').at(-2) ?? '')?.name ?? 'English';
  const entries = read(file);
  const asked = entries
    .flatMap(({ questions }, id) => questions.map((question) => ({ question, id })))
    .filter((_, at) => at % every === 0);
  const plain = bm25(entries.map(({ title, text }) => `${title}\n${text}`));
  const plainFirst = asked.filter(({ question, id }) => plain(question)[0] === id).length;
  const plainTen = asked.filter(({ question, id }) => plain(question).slice(0, 10).includes(id)).length;
  const row: Record<string, string | number> = { language, paragraphs: entries.length, questions: asked.length };
  row['plain @1'] = percent(plainFirst, asked.length);
  row['plain @10'] = percent(plainTen, asked.length);
  for (const [name, chosen] of [
    ['default', undefined],
    ['own', language],
  ] as const) {
    await using made = await indexParagraphs(entries, { language: chosen });
    for (const [what, share] of Object.entries(await measure(made.index, asked))) row[`${name} ${what}`] = share;
  }
  rows.push(row);
}
console.table(rows);
printResult({ bench: 'languages', machine: describeMachine(), rows });
