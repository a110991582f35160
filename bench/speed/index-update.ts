/**
 * How long an update of a large index takes when little has changed, apart from encoding:
 *   npx tsx bench/speed/index-update.ts [--passages 50000] [--per-file 10] [--changes 5]
 * A folder of made-up Markdown files is indexed; then one file at a time changes, and the index is brought up to date. In the
 * end every change is searched for. Words are drawn by Zipf's law, so that the index of words is as large as a real one.
 */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { describeMachine } from '../../packages/engine/src/eval/ttft/machine.ts';
import { type DocumentIndex, openIndex } from '../../src/rag/index.ts';
import { createPrng } from '../../tests/support/prng.ts';
import { printResult, round } from '../support/harness.ts';

const { values } = parseArgs({
  options: {
    passages: { type: 'string', default: '50000' },
    'per-file': { type: 'string', default: '10' },
    changes: { type: 'string', default: '5' },
  },
});
const perFile = Number(values['per-file']);
const files = Math.ceil(Number(values.passages) / perFile);
const vocabulary = 40_000;
const wordsPerPassage = 100;
/** A word is a token. */
const tokenizer = { count: (text: string) => text.match(/\S+/g)?.length ?? 0, identity: 'words' };

const prng = createPrng(7);
const word = () => `w${Math.floor(vocabulary ** prng.uniform() - 1).toString(36)}`;
const passage = () => Array.from({ length: wordsPerPassage }, word).join(' ');
const page = (number: number, first = passage()) => {
  const sections = Array.from({ length: perFile }, (_, i) => `## Part ${i}\n\n${i === 0 ? first : passage()}.\n`);
  return `# Page ${number}\n\n${sections.join('\n')}`;
};

const folder = mkdtempSync(join(tmpdir(), 'block-attention-docs-'));
const directory = mkdtempSync(join(tmpdir(), 'block-attention-index-'));
const nameOf = (number: number) => join(folder, String(number % 100), `${number}.md`);
for (let i = 0; i < 100; i++) mkdirSync(join(folder, String(i)));
for (let i = 0; i < files; i++) writeFileSync(nameOf(i), page(i));

async function timed(index: DocumentIndex) {
  const phases: Record<string, number> = {};
  const started = performance.now();
  let [phase, since] = ['start', started];
  const enter = (next: string) => {
    const now = performance.now();
    phases[phase] = (phases[phase] ?? 0) + now - since;
    [phase, since] = [next, now];
  };
  const { chunks } = await index.update(folder, {
    tokenizer,
    onProgress: (progress) => progress.phase !== phase && enter(progress.phase),
  });
  enter('end');
  const rounded = Object.fromEntries(Object.entries(phases).map(([name, ms]) => [`${name}, ms`, round(ms)]));
  return { passages: chunks.total, ms: round(performance.now() - started), ...rounded };
}

const rows: Record<string, string | number>[] = [];
try {
  await using index = await openIndex({ directory });
  rows.push({ run: 'all new', ...(await timed(index)) });
  rows.push({ run: 'nothing changed', ...(await timed(index)) });
  for (let change = 0; change < Number(values.changes); change++) {
    const number = (change * 997) % files;
    writeFileSync(nameOf(number), page(number, `uniquechange${change} ${passage()}`));
    rows.push({ run: `one file changed (${change + 1})`, ...(await timed(index)) });
  }
  for (let change = 0; change < Number(values.changes); change++) {
    const [hit] = await index.search(`uniquechange${change}`, { top: 1 });
    if (hit?.chunk.text.includes(`uniquechange${change} `) !== true) throw new Error(`change ${change} is not found`);
  }
} finally {
  for (const path of [folder, directory]) rmSync(path, { recursive: true, force: true });
}
console.table(rows);
printResult({ bench: 'index-update', machine: describeMachine(), rows });
