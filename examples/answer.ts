/** Ten lines: load a model, encode passages once, ask twice. `npx tsx examples/answer.ts` in a clone. */
import { createEngine, resolveModel } from '../src/index.ts';

const { path } = await resolveModel('smollm2-135m');
await using engine = await createEngine({ modelPath: path });
const passages = [
  { title: 'Varn Bridge', text: 'The Varn Bridge was opened in 1931. It crosses the river Ald at Tessen.' },
  { title: 'Tessen', text: 'Tessen is a town of clock makers on the river Ald.' },
];
await engine.encode(passages);
for (const question of ['When was the Varn Bridge opened?', 'Which river does it cross?']) {
  const answer = engine.answer({ passages, question, mode: 'block', maxTokens: 60 });
  for await (const piece of answer) process.stdout.write(piece);
  const { ttftMs, blocks } = await answer.result;
  console.log(
    `\n  first token after ${ttftMs.toFixed(0)} ms, ${blocks.filter((b) => b.status === 'hit').length} blocks reused`,
  );
}
