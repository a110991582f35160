/**
 * Ten questions, one after the other, over an index of 1,000 Markdown pages: time to the first token as a client sees it,
 * against llama.cpp's llama-server and node-llama-cpp fed with the same earlier turns and the same passages, which keep
 * the beginning that a prompt has in common with the one before.
 *
 *     npm run build
 *     npx tsx bench/serve/conversation.ts [--model REF] [--threads N] [--pages N] [--llama-server /path/to/llama-server]
 *
 * What is encoded before the first question is told as `preparedMs`. Answers of earlier turns are given, so that every
 * server reads the same words.
 */
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { openTokenCounter } from '@block-attention/engine/internal/engine';
import { describeMachine } from '../../packages/engine/src/eval/ttft/machine.ts';
import { resolveModel } from '../../src/hub/index.ts';
import { openIndex } from '../../src/rag/index.ts';
import { nodeLlamaCppInstalled } from '../peers/open-peer.ts';
import { printResult, round } from '../support/harness.ts';
import { quantile, runLoad } from './load.ts';
import { llamaServer, nodeLlamaCpp, ourServer, type Target, type TargetOptions } from './targets.ts';

const { values } = parseArgs({
  options: {
    model: { type: 'string', default: 'smollm2-135m' },
    threads: { type: 'string', default: '2' },
    pages: { type: 'string', default: '1000' },
    'llama-server': { type: 'string', default: '' },
  },
});
const [threads, pages, turns, answerTokens] = [Number(values.threads), Number(values.pages), 10, 16];
const { path } = await resolveModel(values.model);
const kinds = ['ferry', 'lamp', 'crane', 'gate', 'pump', 'bridge', 'signal'];
const nameOf = (page: number) => `${kinds[page % kinds.length] ?? ''} ${page + 1}`;
const sentences = (page: number) => [
  `The ${nameOf(page)} of the harbour was built in ${1800 + ((page * 37) % 200)} by the office of works.`,
  `It is inspected every ${2 + (page % 11)} weeks, and painted when its number is drawn in spring.`,
  `Whoever finds it out of order tells the watch on pier ${1 + (page % 19)}, which closes the way and sends for a mechanic.`,
];

const folder = mkdtempSync(join(tmpdir(), 'block-attention-conversation-'));
process.once('exit', () => rmSync(folder, { recursive: true, force: true }));
const docs = join(folder, 'docs');
mkdirSync(docs);
for (let page = 0; page < pages; page++) {
  writeFileSync(join(docs, `page-${page + 1}.md`), `# The ${nameOf(page)}\n\n${sentences(page).join(' ')}\n`);
}
const directory = join(folder, 'index');
{
  using tokenizer = await openTokenCounter(path);
  await using index = await openIndex({ directory });
  await index.update(docs, { tokenizer });
}

interface Message {
  readonly role: 'user' | 'assistant';
  readonly content: string;
}
interface Turn {
  readonly question: string;
  readonly earlier: readonly Message[];
  /** What the search finds for it. */
  passages: readonly { readonly title: string; readonly text: string }[];
}
const conversation = Array.from({ length: turns }, (_, turn): Turn => {
  const page = (turn * 97) % pages;
  const before = Array.from({ length: turn }, (_unused, i) => (i * 97) % pages);
  const question = (asked: number) => `When was the ${nameOf(asked)} of the harbour built?`;
  const earlier = before.flatMap((asked): Message[] => [
    { role: 'user', content: question(asked) },
    { role: 'assistant', content: sentences(asked)[0] ?? '' },
  ]);
  return { question: question(page), earlier, passages: [] };
});

const stream = { max_tokens: answerTokens, temperature: 0, stream: true, stream_options: { include_usage: true } };
const ours = ({ earlier, question }: Turn) => ({
  model: 'docs',
  messages: [...earlier, { role: 'user', content: question }],
  ...stream,
});
/** For servers that know no documents: earlier turns first, so that they are the beginning that is kept. */
const theirs = ({ earlier, question, passages }: Turn) => {
  const told = earlier.map(({ role, content }) => `${role === 'user' ? 'Question' : 'Answer'}: ${content}\n`).join('');
  const documents = passages.map(({ title, text }) => `- Title: ${title}\n${text}\n`).join('');
  const content = `${told}\nBelow are some reference documents that may help you in answering the question.\n\n${documents}\n\nQuestion: ${question}`;
  return { model: 'model', messages: [{ role: 'user', content }], cache_prompt: true, ...stream };
};

const options: TargetOptions = { model: path, threads, clients: 1, contextTokens: 2048 };
const alternatives: [name: string, open: () => Promise<Target>, body: (turn: Turn) => object][] = [
  [
    'block, pages encoded',
    () => ourServer(options, { mode: 'block', name: 'block-attention', flags: ['--index', directory] }),
    ours,
  ],
];
const binary = values['llama-server'];
if (binary !== '' && existsSync(binary)) {
  alternatives.push(['llama-server, prompt cache', () => llamaServer(options, binary), theirs]);
} else console.log('llama-server is skipped: give its path with --llama-server');
if (nodeLlamaCppInstalled()) alternatives.push(['node-llama-cpp, kept prefix', () => nodeLlamaCpp(options), theirs]);

for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => process.exit(1));
const rows: Record<string, string | number>[] = [];
for (const [name, open, body] of alternatives) {
  await using target = await open();
  const preparedMs = body === ours ? await prepare(target) : 0;
  const ttft: number[] = [];
  const cached: number[] = [];
  for (const turn of conversation) {
    const one = { ...target, body: () => body(turn) };
    const { samples, errors } = await runLoad(one, [{ passages: [], question: turn.question }], {
      clients: 1,
      answerTokens,
    });
    if (errors[0] !== undefined) throw new Error(`${name}: ${errors[0]}`);
    for (const sample of samples) {
      ttft.push(sample.ttftMs);
      cached.push(sample.cachedTokens / sample.promptTokens);
    }
  }
  rows.push({
    server: name,
    turns: ttft.length,
    ttftP50Ms: round(quantile(ttft, 0.5), 0),
    ttftMaxMs: round(Math.max(...ttft), 0),
    cachedShare: round(cached.reduce((sum, share) => sum + share, 0) / cached.length),
    preparedMs: round(preparedMs, 0),
  });
  console.log(rows.at(-1));
}
const machine = describeMachine();
console.table(rows);
printResult({ bench: 'conversation', machine, threads, pages, turns, rows });

/** Waits until the pages are encoded, and asks what is found for each question. @returns ms that it took */
async function prepare({ url }: Target): Promise<number> {
  const started = performance.now();
  const get = async (at: string) => JSON.parse(await (await fetch(`${url}${at}`)).text());
  for (;;) {
    const { phase, encoding } = await get('/v1/documents');
    if (phase === 'ready' && encoding.done >= encoding.total && encoding.total > 0) break;
    await new Promise((resolve) => setTimeout(resolve, 200));
  }
  const ms = performance.now() - started;
  for (const turn of conversation) {
    turn.passages = (await get(`/v1/search?q=${encodeURIComponent(turn.question)}&top=8`)).data;
  }
  return ms;
}
