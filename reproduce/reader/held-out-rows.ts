/**
 * Rows of a question set that may be trained on, where others of it are reported: no question of the reported ones, and
 * no passage that answers one of them, neither as gold passage nor as distractor.
 *
 *   npx tsx reproduce/reader/held-out-rows.ts --from rows.jsonl[.gz] --gold paragraphs.jsonl --without questions.jsonl[,more.jsonl] --out rows.jsonl
 *
 * `--from` has rows of `{question, answers, passages: [{title, text, gold}]}`; `--gold` names the gold passage of each
 * reported question, `{question, title, text}`; `--without` has the reported questions.
 */
import { writeFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { normalizeAnswer } from '@block-attention/engine/eval';
import { readRows } from './sources.ts';

interface Row {
  readonly question: string;
  readonly passages: readonly { readonly title: string; readonly text: string; readonly gold: boolean }[];
}

const { values } = parseArgs({
  options: {
    from: { type: 'string' },
    gold: { type: 'string' },
    without: { type: 'string' },
    out: { type: 'string' },
  },
});
const { from, gold, without, out } = values;
if (from === undefined || gold === undefined || without === undefined || out === undefined)
  throw new Error('give --from, --gold, --without and --out');

const reported = new Set(
  without
    .split(',')
    .flatMap((path) => rows<{ question: string }>(path).map(({ question }) => normalizeAnswer(question))),
);
const answering = new Set(
  rows<{ question: string; text: string }>(gold)
    .filter(({ question }) => reported.has(normalizeAnswer(question)))
    .map(({ text }) => text),
);
const all = rows<Row>(from);
const kept = all
  .filter(({ question }) => !reported.has(normalizeAnswer(question)))
  .filter(({ passages }) => !passages.some(({ gold: answers, text }) => answers && answering.has(text)))
  .map((row) => ({ ...row, passages: row.passages.filter(({ text }) => !answering.has(text)) }));
writeFileSync(out, kept.map((row) => `${JSON.stringify(row)}\n`).join(''));
console.log(`${kept.length} of ${all.length} rows in ${out}; ${reported.size} questions are kept for reports`);

function rows<T>(path: string): T[] {
  return readRows(path) as T[];
}
