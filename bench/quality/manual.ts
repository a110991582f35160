/**
 * Questions that people ask of a manual, answered as `index` and `ask` answer them with no options:
 *   npm run bench -- manual [--model REF] [--adapter FILE] [--mode block|full|auto] [--limit N] [--kind KIND]
 *     [--policy POLICY] [--top N] [--excerpts N] [--tables rows|markdown] [--set company|bicycles] [--threads N] [--json]
 * The pages and questions are those of tests/manual. Each question is asked by itself: found, refused or read, and cited.
 * What is wrong is shown with what was said, and whether the passages held the answer at all: a miss of retrieval, of the
 * refusal, or of reading. `--limit` takes questions evenly over all, or over those of
 * `--kind`. `--json` prints the line for machines alone.
 * Intervals are Wilson's, 95 %.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { createEngine, type RequestedMode } from '@block-attention/engine/internal/engine';
import { describeMachine } from '../../packages/engine/src/eval/ttft/machine.ts';
import { resolveModel } from '../../src/hub/index.ts';
import { createConversation, openIndex, type TableForm } from '../../src/rag/index.ts';
import {
  holdsAnswer,
  isRight,
  type ManualQuestion,
  pagesFolder,
  type QuestionSet,
  questionKinds,
  questionSets,
  readManualQuestions,
} from '../../tests/manual/question-set.ts';
import { printResult, round } from '../support/harness.ts';
import { shareWithInterval } from '../support/share.ts';

const { values } = parseArgs({
  options: {
    model: { type: 'string', default: 'embedded' },
    adapter: { type: 'string' },
    mode: { type: 'string', default: 'auto' },
    limit: { type: 'string', default: '100' },
    kind: { type: 'string' },
    policy: { type: 'string' },
    top: { type: 'string' },
    excerpts: { type: 'string' },
    set: { type: 'string', default: 'company' },
    tables: { type: 'string' },
    threads: { type: 'string' },
    json: { type: 'boolean', default: false },
  },
});

interface Row extends ManualQuestion {
  readonly text: string;
  readonly right: boolean;
  /** Where it went wrong; none where it is right. */
  readonly miss: 'retrieval' | 'refused' | 'reading' | 'answered' | null;
  readonly asked: boolean;
  readonly inDocuments: boolean;
  /** 1-based rank of the first passage of the page, and of the first one that holds the answer; 0 for none. */
  readonly pageRank: number;
  readonly passageRank: number;
  readonly citesPage: boolean;
  readonly citations: readonly string[];
  readonly mode: string;
  readonly tokens: number;
  readonly ttftMs: number;
}

const directory = mkdtempSync(join(tmpdir(), 'block-attention-manual-'));
const { path, name, adapter: ownAdapter } = await resolveModel(values.model);
// What comes with the model, unless another is named.
const adapter = values.adapter ?? ownAdapter;
const mode = values.mode as RequestedMode;
if (!Object.hasOwn(questionSets, values.set)) {
  throw new Error(`--set is ${values.set}: give one of ${Object.keys(questionSets).join(', ')}`);
}
const set = values.set as QuestionSet;
const excerpts = values.excerpts === undefined ? undefined : Number(values.excerpts);
const rows: Row[] = [];
const asked = readManualQuestions(set).filter(({ kind }) => values.kind === undefined || kind === values.kind);
if (asked.length === 0) throw new Error(`--kind is ${values.kind}: give one of ${questionKinds.join(', ')}`);
try {
  await using engine = await createEngine({
    modelPath: path,
    adapter,
    mode,
    ...(values.policy !== undefined && { policy: values.policy }),
    ...(values.threads !== undefined && { threads: Number(values.threads) }),
  });
  const index = await openIndex({ directory });
  await index.update(pagesFolder(set), { tokenizer: engine.tokenizer, tables: values.tables as TableForm | undefined });
  for (const question of evenly(asked, Number(values.limit))) {
    const retrieval = values.top === undefined ? undefined : { top: Number(values.top) };
    const result = await createConversation({ index, engine, retrieval, excerpts }).ask(question.question).result;
    const { text, asked, inDocuments, hits, citations, ttftMs } = result;
    const ofPage = hits.map(({ chunk }) => (chunk.path === question.page ? chunk : undefined));
    const passageRank =
      ofPage.findIndex((chunk) => chunk !== undefined && holdsAnswer(`${chunk.title}\n${chunk.text}`, question)) + 1;
    const outcome = { text: text.trim(), asked, inDocuments };
    const right = isRight(question, outcome);
    rows.push({
      ...question,
      ...outcome,
      right,
      miss: right ? null : missOf(question, asked, passageRank),
      pageRank: ofPage.findIndex((chunk) => chunk !== undefined) + 1,
      passageRank,
      citesPage: citations.some((citation) => citation.path === question.page),
      citations: citations.map(({ source }) => source),
      mode: result.mode,
      tokens: result.tokens.context,
      ttftMs: round(ttftMs),
    });
    if (!values.json) process.stderr.write(right ? '.' : 'x');
  }
  await index.close();
} finally {
  rmSync(directory, { recursive: true, force: true });
}
if (!values.json) print();
const right = rows.filter((row) => row.right).length;
printResult({
  bench: 'manual',
  machine: describeMachine(),
  model: name,
  adapter: adapter ?? null,
  mode,
  policy: values.policy ?? 'default',
  tables: values.tables ?? 'default',
  set,
  excerpts: values.excerpts ?? 'default',
  right,
  questions: rows.length,
  rows,
});

function missOf(question: ManualQuestion, asked: boolean, passageRank: number): Row['miss'] {
  if (question.kind === 'none') return 'answered';
  if (!asked) return 'refused';
  return passageRank === 0 ? 'retrieval' : 'reading';
}

function print(): void {
  process.stderr.write('\n');
  console.log(`manual · ${name}${adapter === undefined ? '' : ` with ${adapter}`}, mode ${mode}`);
  const wrong = rows.filter((row) => !row.right);
  for (const row of wrong) {
    const wanted = row.answers[0] ?? 'not in the documents';
    const place = row.kind === 'none' ? '' : `, page ${rankOf(row.pageRank)}, passage ${rankOf(row.passageRank)}`;
    console.log(`${row.miss}: ${row.question} (${row.kind}${place})\n    wanted ${wanted}; said ${brief(row.text)}`);
  }
  const marked = rows.filter((row) => row.right && row.kind !== 'none' && !row.inDocuments);
  for (const row of marked)
    console.log(`right, but marked as not in the documents: ${row.question} ${brief(row.text)}`);
  const count = (of: readonly Row[], is: (row: Row) => boolean) => of.filter(is).length;
  const table = ['all', 'with an answer', ...questionKinds].map((kind) => {
    const of = rows.filter(
      (row) => kind === 'all' || row.kind === kind || (kind === 'with an answer' && row.kind !== 'none'),
    );
    const answerable = of.filter((row) => row.kind !== 'none');
    return {
      kind,
      questions: of.length,
      right: shareWithInterval(
        count(of, (row) => row.right),
        of.length,
      ),
      'page found': count(answerable, (row) => row.pageRank > 0),
      'passage found': count(answerable, (row) => row.passageRank > 0),
      'not asked': count(of, (row) => !row.asked),
      'page cited': count(answerable, (row) => row.citesPage),
      'right, marked as not there': count(answerable, (row) => row.right && !row.inDocuments),
    };
  });
  console.table(table);
}

function rankOf(rank: number): string {
  return rank === 0 ? 'not found' : `at ${rank}`;
}

function brief(text: string): string {
  return JSON.stringify(text.length > 160 ? `${text.slice(0, 160)}…` : text);
}

function evenly<T>(all: readonly T[], most: number): T[] {
  if (!Number.isInteger(most) || most < 1) throw new Error(`--limit is ${values.limit}: give a whole number from 1`);
  if (all.length <= most) return [...all];
  return Array.from({ length: most }, (_, i) => all[Math.floor((i * all.length) / most)]).filter(
    (one) => one !== undefined,
  );
}
