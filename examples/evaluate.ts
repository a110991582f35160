/** Block mode against full attention on questions with known answers. `npx tsx examples/evaluate.ts` in a clone. */
import { evaluate, type Question, rowName } from '../src/eval/index.ts';
import { createEngine, parsePolicy, resolveModel } from '../src/index.ts';

const { path } = await resolveModel(process.env.BLOCK_ATTENTION_MODEL ?? 'smollm2-135m');
await using engine = await createEngine({ modelPath: path });
const passages = [
  { title: 'Varn Bridge', text: 'The Varn Bridge was opened in 1931.' },
  { title: 'Tessen', text: 'Tessen is a town of clock makers. Its mayor is Ida Morn.' },
];
const questions: Question[] = [
  { question: 'When was the Varn Bridge opened?', answers: ['1931'], passages },
  { question: 'Who is the mayor of Tessen?', answers: ['Ida Morn'], passages },
];
const { rows } = await evaluate({
  engine,
  questions,
  policies: [parsePolicy('plain'), parsePolicy('anchor:header')],
  answerStyle: 'short',
  maxTokens: 12,
});
for (const row of rows) console.log(rowName(row), JSON.stringify(row));
