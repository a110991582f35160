/**
 * Whether `inDocuments` and citations tell right answers from wrong ones, on questions with known passages:
 *   npm run bench -- citations --data FOLDER [--set dev-squad2.0-shared-articles] [--most 500]
 * FOLDER holds `SET.jsonl` or `SET.jsonl.gz` of `{title, text, qas: [{question, answers, plausible?}]}`. The paragraphs are
 * indexed, each question is searched for, and answers of known kinds (citation-cases.ts) are judged over what was found.
 * Questions whose own paragraph was not found are left out. Intervals are Wilson's, 95 %.
 */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { gunzipSync } from 'node:zlib';
import { describeMachine } from '../../packages/engine/src/eval/ttft/machine.ts';
import { judgeAnswer } from '../../src/rag/answer/cite.ts';
import { wordsOf } from '../../src/rag/catalog/document-index.ts';
import type { SearchHit } from '../../src/rag/index.ts';
import { type CaseKind, citationCases, type Paragraph, rightKinds, wrongKinds } from '../support/citation-cases.ts';
import { printResult } from '../support/harness.ts';
import { indexParagraphs } from '../support/paragraph-index.ts';
import { shareWithInterval } from '../support/share.ts';

const { values } = parseArgs({
  options: {
    data: { type: 'string' },
    set: { type: 'string', default: 'dev-squad2.0-shared-articles' },
    most: { type: 'string', default: '500' },
  },
});
if (values.data === undefined) throw new Error('--data FOLDER is missing');
const paragraphs = read(join(values.data, `${values.set}.jsonl`));

await using made = await indexParagraphs(paragraphs);
const { index } = made;

interface Tally {
  cases: number;
  notFound: number;
  inDocuments: number;
  cited: number;
  goldCited: number;
  citations: number;
  goldCitations: number;
}
const tallies = new Map<CaseKind, Tally>();
const searched = new Map<string, readonly SearchHit[]>();
for (const { kind, question, answer, paragraph } of citationCases(paragraphs, Number(values.most))) {
  const hits = searched.get(question) ?? (await index.search(question));
  searched.set(question, hits);
  const none = { cases: 0, notFound: 0, inDocuments: 0, cited: 0, goldCited: 0, citations: 0, goldCitations: 0 };
  const tally = tallies.get(kind) ?? none;
  tallies.set(kind, tally);
  if (!hits.some(({ chunk }) => chunk.path === `${paragraph}.md`)) {
    tally.notFound += 1;
    continue;
  }
  const { inDocuments, citations } = judgeAnswer({ answer, question }, hits, wordsOf(index));
  const gold = citations.filter(({ path }) => path === `${paragraph}.md`).length;
  tally.cases += 1;
  tally.inDocuments += Number(inDocuments);
  tally.cited += Number(citations.length > 0);
  tally.goldCited += Number(gold > 0);
  tally.citations += citations.length;
  tally.goldCitations += gold;
}
const rows = [...tallies].map(([kind, tally]) => ({
  kind,
  truth: rightKinds.includes(kind) ? 'right' : 'wrong',
  cases: tally.cases,
  'not found': tally.notFound,
  inDocuments: shareWithInterval(tally.inDocuments, tally.cases),
  cited: shareWithInterval(tally.cited, tally.cases),
  'cites its paragraph': shareWithInterval(tally.goldCited, tally.cases),
}));
const sum = (kinds: readonly CaseKind[], field: keyof Tally) =>
  kinds.reduce((all, kind) => all + (tallies.get(kind)?.[field] ?? 0), 0);
const right = sum(rightKinds, 'inDocuments');
const summary = {
  'inDocuments, recall': shareWithInterval(right, sum(rightKinds, 'cases')),
  'inDocuments, precision': shareWithInterval(right, right + sum(wrongKinds, 'inDocuments')),
  'inDocuments, precision without plausible': shareWithInterval(
    right,
    right +
      sum(
        wrongKinds.filter((kind) => kind !== 'plausible'),
        'inDocuments',
      ),
  ),
  'citations of right answers, recall': shareWithInterval(sum(rightKinds, 'goldCited'), sum(rightKinds, 'cases')),
  'citations of right answers, precision': shareWithInterval(
    sum(rightKinds, 'goldCitations'),
    sum(rightKinds, 'citations'),
  ),
};
console.table(rows);
console.table(summary);
printResult({ bench: 'citations', machine: describeMachine(), set: values.set, rows, summary });

function read(path: string): Paragraph[] {
  const text = existsSync(path) ? readFileSync(path, 'utf8') : gunzipSync(readFileSync(`${path}.gz`)).toString();
  return text
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as Paragraph);
}
