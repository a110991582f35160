/**
 * Questions with their gold paragraph among distractors, for `eval` and `verify`, from paragraphs with questions.
 *
 *   npx tsx bench/reading-data.ts --from paragraphs.jsonl --out questions.jsonl --passages 10 --count 150 [--split test]
 *
 * Reads JSON lines of `{title, text, questions: [{question, answers}]}` (SQuAD's) or `{question, answers, title, text}`
 * (NQ's). Distractors are the paragraphs that BM25 ranks highest for the question and that contain none of its answers.
 * The gold paragraph's place is drawn. `--split` takes the first two thirds of the titles (train) or the rest (test), so
 * that what is trained on one is tested on other articles.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { bm25 } from '../src/eval/bm25.ts';
import { normalizeAnswer } from '../src/eval/index.ts';
import { createRandom } from '../src/eval/random.ts';

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
  },
});
if (values.from === undefined || values.out === undefined) throw new Error('give --from and --out');

const random = createRandom(Number(values.seed));
const { paragraphs, asked } = read(values.from, values.split);
const ranked = bm25(paragraphs.map(({ title, text }) => `${title} ${text}`));
const lines = random
  .shuffle(asked)
  .slice(0, Number(values.count))
  .map(({ question, answers, gold }) => {
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
    return JSON.stringify({ question, answers, passages });
  });
writeFileSync(values.out, `${lines.join('\n')}\n`);
console.log(`${lines.length} questions over ${paragraphs.length} paragraphs in ${values.out}`);

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
