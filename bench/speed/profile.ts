/**
 * Where the time of a decoded token and of a first token goes: nodes of the graph by what they do, each computed by
 * itself, the shortest of many times; beside them the graph as a whole and what is around it; what an engine does before
 * and after the graph; and one read of weights and states.
 * `npm run bench -- profile [--tokens 8192] [--prompt 4096] [--question 50] [--threads 2] [--runs 60]`: a token is decoded
 * behind so many tokens, a prompt has so many, the question's among them.
 */
import { parseArgs } from 'node:util';
import { createEngine } from '@block-attention/engine/internal/engine';
import { loadNativeKernel, openTokenizer } from '@block-attention/engine/internal/ggml';
import { DecodeGraph, forwardStep, Sequence } from '@block-attention/engine/internal/model';
import { exactPrompt } from '../../packages/engine/src/eval/ttft/ttft-prompt.ts';
import { resolveModel } from '../../src/hub/index.ts';
import { openBench, report, round, someBlocks, someTokens, timed } from '../support/harness.ts';
import { measurePeak } from '../support/peak.ts';

const { values } = parseArgs({
  options: {
    model: { type: 'string', default: 'smollm2-135m' },
    threads: { type: 'string', default: '2' },
    runs: { type: 'string', default: '60' },
    tokens: { type: 'string', default: '8192' },
    prompt: { type: 'string', default: '4096' },
    question: { type: 'string', default: '50' },
  },
});
const { path } = await resolveModel(values.model);
const options = { path, threads: Number(values.threads), runs: Number(values.runs) };
const bench = await openBench(options);
const { backend, model, layout, paths } = bench;
const [[, attention]] = paths;
const { vocabulary } = model.hyperParameters;
const blockTokens = 512;
const blocksIn = (tokens: string) => Math.round(Number(tokens) / blockTokens);
const most = Math.max(blocksIn(values.tokens), blocksIn(values.prompt));
const all = await someBlocks(bench, attention, most, blockTokens);
const blocks = all.slice(0, blocksIn(values.tokens));
const question = someTokens(vocabulary, Number(values.question), 99);
const kernel = loadNativeKernel();

/** What a node is to a reader; by ggml's name where nothing else says it. */
function kindOf(operation: string, fun: bigint | undefined, last: boolean): string {
  if (last) return 'head';
  if (fun !== undefined && kernel !== undefined) {
    if (fun === kernel.attend || fun === kernel.merge) return 'attention';
    if (fun === kernel.linear.pack) return 'linear layers: rows to int8';
    return 'linear layers';
  }
  if (operation === 'MUL_MAT') return 'linear layers by ggml';
  if (operation === 'ROPE') return 'rotation';
  if (operation === 'SET_ROWS' || operation === 'CPY') return 'writing keys and values';
  if (operation === 'RMS_NORM' || operation === 'NORM') return 'norms';
  return operation.toLowerCase().replaceAll('_', ' ');
}

const rows: Record<string, string | number>[] = [];

/** @param whole ms of the step as it always runs, its graph's building included where there is any */
function tell(
  pass: string,
  { nodes, wholeMs }: ReturnType<typeof backend.timingAllocator>['times'],
  whole: number,
): void {
  const sums = new Map<string, { ms: number; nodes: number }>();
  const products = nodes.findLastIndex(
    ({ operation, function: fun }) =>
      operation === 'MUL_MAT' || fun === kernel?.linear.multiply || fun === kernel?.linear.oneRow.multiply,
  );
  for (const [i, { operation, function: fun, ms }] of nodes.entries()) {
    const kind = kindOf(operation, fun, i === products);
    const sum = sums.get(kind) ?? { ms: 0, nodes: 0 };
    sums.set(kind, { ms: sum.ms + ms, nodes: sum.nodes + 1 });
  }
  const total = nodes.reduce((sum, { ms }) => sum + ms, 0);
  const add = (what: string, ms: number, count: number | string = '') =>
    rows.push({ pass, what, nodes: count, ms: round(ms, 3), share: `${round((100 * ms) / whole, 1)} %` });
  for (const [kind, { ms, nodes: count }] of [...sums].sort(([, a], [, b]) => b.ms - a.ms)) add(kind, ms, count);
  add('between nodes: barriers, caches', wholeMs - total);
  add('around the graph: building, inputs, reading back', whole - wholeMs);
  add('all', whole, nodes.length);
}

const fastest = async (work: () => Promise<unknown>) => {
  let best = Number.POSITIVE_INFINITY;
  for (let i = 0; i < options.runs; i++) best = Math.min(best, await timed(work));
  return best;
};

{
  const { allocator, times } = backend.timingAllocator();
  const open = async () => {
    const sequence = new Sequence(backend, layout, blocks, question.length + 2 * options.runs + 8);
    await forwardStep(model, attention, bench.allocator, [{ sequence, tokens: question, logits: 'last' }]);
    return sequence;
  };
  const [first, second] = [await open(), await open()];
  const plain = new DecodeGraph(model, attention, [first]);
  const whole = await fastest(() => plain.run(Int32Array.of(500)));
  plain.dispose();
  const graph = new DecodeGraph(model, attention, [second], 0, allocator);
  for (let i = 0; i < options.runs; i++) await graph.run(Int32Array.of(500 + i));
  tell('a decoded token', times, whole);
  graph.dispose();
}
{
  const { allocator, times } = backend.timingAllocator();
  const step = async (use: typeof allocator) => {
    const sequence = new Sequence(backend, layout, all.slice(0, blocksIn(values.prompt)), question.length + 8);
    await forwardStep(model, attention, use, [{ sequence, tokens: question, logits: 'last' }]);
    sequence.dispose();
  };
  const whole = await fastest(() => step(bench.allocator));
  for (let i = 0; i < options.runs; i++) await step(allocator);
  tell('a first token', times, whole);
}
{
  const tokenizer = await openTokenizer(path);
  const [tokens, questionTokens] = [Number(values.prompt), Number(values.question)];
  const { system, passages, question } = exactPrompt({ tokens, questionTokens, blockTokens, tokenizer });
  const contextTokens = tokens + 1;
  const engine = await createEngine({
    modelPath: path,
    threads: options.threads,
    template: 'plain',
    contextTokens,
    storeBytes: 2 ** 40,
  });
  const best = { planMs: Infinity, acquireMs: Infinity, prefillMs: Infinity, ttftMs: Infinity };
  for (let i = -1; i < options.runs; i++) {
    const { timings, ttftMs } = await engine.answer({ system, passages, question, mode: 'block', maxTokens: 1 }).result;
    // The first one encodes the passages.
    if (i < 0) continue;
    for (const [part, ms] of Object.entries({ ...timings, ttftMs })) {
      if (part in best) best[part as keyof typeof best] = Math.min(best[part as keyof typeof best], ms);
    }
  }
  const { planMs, acquireMs, prefillMs, ttftMs } = best;
  const parts = [
    ['template, tokens, keys', planMs],
    ['look-up of blocks', acquireMs],
    ['the final block: graph, inputs, computing, logits', prefillMs],
    ['sequence, sampling and the rest', ttftMs - planMs - acquireMs - prefillMs],
    ['all', ttftMs],
  ] as const;
  for (const [what, ms] of parts) {
    const share = `${round((100 * ms) / ttftMs, 1)} %`;
    rows.push({ pass: 'an answer to its first token', what, nodes: '', ms: round(ms, 3), share });
  }
  await engine.close();
}
report('profile', options, rows);
const peak = measurePeak(options.threads);
if (peak !== undefined) {
  const stateBytes = blocks.reduce((sum, { tokens }) => sum + layout.blockBytes(tokens), 0);
  const weightBytes = [...model.file.tensors.values()].reduce((sum, tensor) => sum + tensor.bytes, 0);
  const ms = (stateBytes + weightBytes) / peak.readGbPerSecond / 1e6;
  console.log(
    `one read of ${round(weightBytes / 1e6)} MB of weights and ${round(stateBytes / 1e6)} MB of states at ${peak.readGbPerSecond} GB/s: ${round(ms)} ms`,
  );
}
process.exit(0);
