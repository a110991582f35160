/**
 * Questions with their gold paragraph among distractors, for `eval` and `verify`, from paragraphs with questions.
 *
 *   npx tsx bench/quality/reading-data.ts --from paragraphs.jsonl[,more.jsonl] --out questions.jsonl --passages 10 --count 150
 *     [--split test] [--pool 70] [--share 4]
 *
 * Reads JSON lines of `{title, text, questions: [{question, answers}]}` (SQuAD's) or `{question, answers, title, text}`
 * (NQ's). Distractors are the paragraphs that BM25 ranks highest for the question and that contain none of its answers.
 * The gold paragraph's place is drawn. `--split` takes the first two thirds of the titles (train) or the rest (test), so
 * that what is trained on one is tested on other articles.
 *
 * To save compute, `--pool` draws so many paragraphs of each file, whole articles first, of at most 1,100 characters, and
 * `--share` asks up to so many questions over the same passages, each about another of them, whose answer stands in no
 * other. `wrong` is the answer to the next question over the same passages.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { normalizeAnswer } from '@block-attention/engine/eval';
import { createRandom } from '@block-attention/engine/internal/base';
import { bm25 } from '../../packages/engine/src/eval/questions/bm25.ts';

interface Paragraph {
  readonly title: string;
  readonly text: string;
}

interface Asked {
  readonly question: string;
  readonly answers: readonly string[];
  readonly gold: Paragraph;
}

const { values } = parseArgs({
  options: {
    from: { type: 'string' },
    out: { type: 'string' },
    passages: { type: 'string', default: '10' },
    count: { type: 'string', default: '150' },
    split: { type: 'string', default: 'all' },
    seed: { type: 'string', default: '1' },
    pool: { type: 'string' },
    share: { type: 'string', default: '1' },
  },
});
if (values.from === undefined || values.out === undefined) throw new Error('give --from and --out');

const random = createRandom(Number(values.seed));
const sets = values.from.split(',').map((path) => pool(read(path, values.split)));
const paragraphs = sets.flatMap((set) => set.paragraphs);
const asked = sets.flatMap((set) => set.asked);
const ranked = bm25(paragraphs.map(({ title, text }) => `${title} ${text}`));
const used = new Set<Asked>();
const lines: string[] = [];
const order = random.shuffle(asked);
for (const first of order) {
  if (lines.length >= Number(values.count)) break;
  if (used.has(first)) continue;
  const passages = passagesFor(first);
  if (passages.length < Number(values.passages)) continue;
  const together = [first, ...companions(first, passages)].slice(0, Number(values.count) - lines.length);
  for (const [i, one] of together.entries()) {
    used.add(one);
    const wrong = together[(i + 1) % together.length]?.answers[0];
    const other = together.length > 1 && wrong !== undefined ? { wrong } : {};
    lines.push(JSON.stringify({ question: one.question, answers: one.answers, passages, ...other }));
  }
}
writeFileSync(values.out, `${lines.join('\n')}\n`);
console.log(`${lines.length} questions over ${paragraphs.length} paragraphs in ${values.out}`);

function passagesFor({ question, answers, gold }: Asked): Paragraph[] {
  const golds = answers.map(normalizeAnswer).filter((answer) => answer !== '');
  const passages: Paragraph[] = [];
  for (const index of ranked(question)) {
    const candidate = paragraphs[index];
    if (passages.length === Number(values.passages) - 1) break;
    if (candidate === undefined || candidate.text === gold.text) continue;
    const text = normalizeAnswer(`${candidate.title} ${candidate.text}`);
    if (!golds.some((answer) => text.includes(answer))) passages.push(candidate);
  }
  passages.splice(random.integer(passages.length + 1), 0, gold);
  return passages;
}

/** Further questions over the passages, one about each of some others. */
function companions(first: Asked, passages: readonly Paragraph[]): Asked[] {
  const texts = passages.map(({ title, text }) => normalizeAnswer(`${title} ${text}`));
  const found: Asked[] = [];
  for (const [i, passage] of passages.entries()) {
    if (found.length >= Number(values.share) - 1) break;
    if (passage.text === first.gold.text) continue;
    const fits = order.find((one) => {
      const { answers, gold } = one;
      if (gold.text !== passage.text || used.has(one)) return false;
      const golds = answers.map(normalizeAnswer);
      return golds.every((answer) => answer !== '' && texts.every((text, j) => j === i || !text.includes(answer)));
    });
    if (fits !== undefined) found.push(fits);
  }
  return found;
}

/** Some of the paragraphs, and the questions about them. */
function pool(set: ReturnType<typeof read>): ReturnType<typeof read> {
  if (values.pool === undefined) return set;
  const short = set.paragraphs.filter(({ text }) => text.length < 1_100);
  const byTitle = new Map<string, Paragraph[]>();
  for (const one of short) byTitle.set(one.title, [...(byTitle.get(one.title) ?? []), one]);
  const kept = random
    .shuffle([...byTitle.values()])
    .flatMap((article) => article.slice(0, 14))
    .slice(0, Number(values.pool));
  const texts = new Set(kept.map(({ text }) => text));
  return { paragraphs: kept, asked: set.asked.filter(({ gold }) => texts.has(gold.text)) };
}

function read(path: string, split: string): { paragraphs: Paragraph[]; asked: Asked[] } {
  const rows = readFileSync(path, 'utf8')
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as Paragraph & Asked & { questions?: Asked[] })
    .map((row) => ({ ...row, title: row.title.replaceAll('_', ' ') }));
  const titles = [...new Set(rows.map(({ title }) => title))].sort();
  const border = Math.ceil((titles.length * 2) / 3);
  const taken = new Set(split === 'all' ? titles : split === 'train' ? titles.slice(0, border) : titles.slice(border));
  const kept = rows.filter(({ title }) => taken.has(title));
  return {
    paragraphs: kept.map(({ title, text }) => ({ title, text })),
    asked: kept.flatMap(({ title, text, questions, question, answers }) =>
      (questions ?? [{ question, answers }]).map((one) => ({
        question: one.question,
        answers: one.answers,
        gold: { title, text },
      })),
    ),
  };
}
