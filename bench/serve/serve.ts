/**
 * A server under the load of a retrieval application: this project's against llama.cpp's llama-server with its prompt
 * caching, same model, threads, passages and questions.
 *
 *     npm run build
 *     npx tsx bench/serve/serve.ts --llama-server /path/to/llama-server --context 4096 --requests 16
 *     npx tsx bench/serve/serve.ts --minutes 10            our server alone, memory and errors over time
 *
 * --limit gives up what is under way after so many seconds: then the TTFT of what was given up is a lower bound.
 * Without --llama-server that peer is skipped. Every server starts cold; a row says whether passages were encoded
 * before the clients came (POST /v1/blocks), which only this project's can do. TTFT is what the client sees.
 */
import { existsSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { describeMachine } from '../../packages/engine/src/eval/ttft/machine.ts';
import { resolveModel } from '../../src/hub/index.ts';
import { nodeLlamaCppInstalled } from '../peers/open-peer.ts';
import { printResult, round } from '../support/harness.ts';
import { type LoadResult, quantile, residentMib, runLoad } from './load.ts';
import { llamaServer, nodeLlamaCpp, ourServer, type Target, type TargetOptions } from './targets.ts';
import { makeTrace } from './trace.ts';

const { values } = parseArgs({
  options: {
    model: { type: 'string', default: 'smollm2-135m' },
    threads: { type: 'string', default: '2' },
    context: { type: 'string', default: '4096' },
    clients: { type: 'string', default: '8' },
    requests: { type: 'string', default: '16' },
    corpus: { type: 'string', default: '64' },
    zipf: { type: 'string', default: '1' },
    answer: { type: 'string', default: '32' },
    minutes: { type: 'string', default: '0' },
    limit: { type: 'string', default: '0' },
    'llama-server': { type: 'string', default: '' },
    only: { type: 'string', default: '' },
  },
});
const [threads, context, clients, requests, corpusSize, zipf, answer, minutes, limit] = (
  ['threads', 'context', 'clients', 'requests', 'corpus', 'zipf', 'answer', 'minutes', 'limit'] as const
).map((name) => Number(values[name])) as [number, number, number, number, number, number, number, number, number];

const perRequest = 10;
// The invented words make about 2.2 tokens each.
const wordsPerPassage = Math.max(4, Math.floor((context / perRequest - 15) / 2.2));
const { path } = await resolveModel(values.model);
const trace = makeTrace({ requests, corpus: corpusSize, perRequest, wordsPerPassage, zipf, seed: 7 });
const options: TargetOptions = { model: path, threads, clients, contextTokens: Math.ceil(context * 1.25) + answer };

const alternatives: [name: string, open: () => Promise<Target>, warm: boolean][] = [
  ['block, encoded before', () => ourServer(options, { mode: 'block', name: 'block-attention' }), true],
  ['block, cold', () => ourServer(options, { mode: 'block', name: 'block-attention' }), false],
  [
    'full, prefixes kept',
    () => ourServer(options, { mode: 'full', name: 'block-attention', flags: ['--prefix-memory', '2GiB'] }),
    false,
  ],
];
const binary = values['llama-server'];
if (binary !== '' && existsSync(binary)) {
  alternatives.push(['llama-server, prompt cache', () => llamaServer(options, binary), false]);
  alternatives.push(['llama-server, cache-reuse', () => llamaServer(options, binary, ['--cache-reuse', '64']), false]);
} else if (minutes === 0) console.log('llama-server is skipped: give its path with --llama-server');

if (nodeLlamaCppInstalled()) alternatives.push(['node-llama-cpp', () => nodeLlamaCpp(options), false]);

for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => process.exit(1));
const rows: Record<string, string | number>[] = [];
for (const [name, open, warm] of alternatives) {
  if (values.only !== '' && !values.only.split(',').some((part) => name.includes(part))) continue;
  if (minutes > 0 && name !== 'block, cold') continue;
  await using target = await open();
  if (warm) await target.warm?.(trace.corpus);
  const before = residentMib(target.pid);
  let line = 0;
  const result = await runLoad(target, trace.requests, {
    clients,
    answerTokens: answer,
    seconds: minutes > 0 ? minutes * 60 : undefined,
    limitSeconds: limit > 0 ? limit : undefined,
    onSample: (sample, secondsIn) => {
      if (minutes === 0 || secondsIn < (line + 1) * 30) return;
      line = Math.floor(secondsIn / 30);
      console.log(
        `${Math.round(secondsIn)} s: ${round(residentMib(target.pid), 0)} MiB, last TTFT ${round(sample.ttftMs, 0)} ms`,
      );
    },
  });
  rows.push(rowOf(name, result, [before, residentMib(target.pid)]));
  console.log(rows.at(-1));
}
const machine = describeMachine();
console.log(
  `serve · ${machine.cpu}, ${threads} threads, Node ${machine.node} · ${path.split('/').at(-1)} · ${clients} clients`,
);
console.table(rows);
printResult({ bench: 'serve', machine, threads, context, clients, requests, corpus: corpusSize, zipf, answer, rows });

function rowOf(name: string, { samples, errors, seconds }: LoadResult, mib: readonly [number, number]) {
  const answered = samples.filter((sample) => sample.answered);
  const ttft = samples.map(({ ttftMs }) => ttftMs);
  const sum = (pick: (sample: (typeof samples)[number]) => number) =>
    samples.reduce((total, one) => total + pick(one), 0);
  return {
    server: name,
    requests: samples.length,
    unanswered: samples.length - answered.length,
    errors: errors.length === 0 ? 0 : `${errors.length}: ${errors[0]}`,
    promptTokens: Math.round(sum(({ promptTokens }) => promptTokens) / answered.length),
    cachedShare: round(sum(({ cachedTokens }) => cachedTokens) / sum(({ promptTokens }) => promptTokens)),
    ttftP50Ms: round(quantile(ttft, 0.5), 0),
    ttftP95Ms: round(quantile(ttft, 0.95), 0),
    answerTokensPerSecond: round(sum(({ answerTokens }) => answerTokens) / seconds),
    promptTokensPerSecond: round(sum(({ promptTokens }) => promptTokens) / seconds, 0),
    mibBefore: round(mib[0], 0),
    mibAfter: round(mib[1], 0),
    seconds: round(seconds, 1),
  };
}
