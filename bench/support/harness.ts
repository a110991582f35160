/**
 * What every benchmark shares: options, interleaved runs, a card for people and one line of JSON for machines.
 *
 * Alternatives take turns within one run, so that a machine whose speed drifts does not favour one of them; figures are
 * medians, and claims are ratios.
 */
import { appendFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { Backend, loadNativeKernel } from '@block-attention/engine/internal/ggml';
import {
  type AttentionFactory,
  forwardStep,
  KvLayout,
  Model,
  nativeAttention,
  portableAttention,
  Sequence,
} from '@block-attention/engine/internal/model';
import { describeMachine } from '../../packages/engine/src/eval/ttft/machine.ts';
import { median } from '../../packages/engine/src/scoring/median.ts';
import { resolveModel } from '../../src/hub/index.ts';
import { onnxOptions, openTransformersJs, type TokenPeer } from '../peers/open-peer.ts';

export interface BenchOptions {
  readonly path: string;
  readonly threads: number;
  readonly runs: number;
  /** Where one was given, the same model for transformers.js. */
  readonly transformersJs?: () => Promise<TokenPeer | undefined>;
}

/** `--model REF --threads N --runs N` of a benchmark's command line. */
export async function benchOptions(defaults: { readonly runs: number }): Promise<BenchOptions> {
  const { values } = parseArgs({
    options: {
      model: { type: 'string', default: 'smollm2-135m' },
      threads: { type: 'string', default: '2' },
      runs: { type: 'string', default: String(defaults.runs) },
      ...onnxOptions,
    },
  });
  const { path } = await resolveModel(values.model);
  const threads = Number(values.threads);
  return { path, threads, runs: Number(values.runs), transformersJs: () => openTransformersJs(values, threads) };
}

type AttentionPath = readonly [name: string, attention: AttentionFactory];

/** A loaded model with both attention paths. */
export async function openBench({ path, threads }: BenchOptions) {
  const backend = await Backend.open({ device: 'cpu', threads });
  const model = await Model.load(path, backend);
  const layout = new KvLayout(model.hyperParameters, 'f16');
  const kernel = loadNativeKernel();
  const portable: AttentionPath = ['portable', portableAttention(model, layout)];
  /** The fastest first. */
  const paths: readonly [AttentionPath, ...AttentionPath[]] = kernel
    ? [['native', nativeAttention(kernel)(model, layout)], portable]
    : [portable];
  return { backend, model, layout, paths, allocator: backend.allocator() };
}
export type Bench = Awaited<ReturnType<typeof openBench>>;

/** Ordinary token ids; the same every time. */
export function someTokens(vocabulary: number, count: number, seed: number): Int32Array {
  const first = Math.min(300, vocabulary >> 1);
  return Int32Array.from(
    { length: count },
    (_, i) => first + ((i * 7919 + seed * 104_729 + 13 * i * i) % (vocabulary - first)),
  );
}

/** Encodes blocks of random tokens. */
export async function someBlocks(bench: Bench, attention: AttentionFactory, count: number, tokens: number) {
  const { backend, model, layout, allocator } = bench;
  const blocks: Sequence[] = [];
  for (let i = 0; i < count; i++) {
    const sequence = new Sequence(backend, layout, [], tokens);
    const ids = someTokens(model.hyperParameters.vocabulary, tokens, i);
    await forwardStep(model, attention, allocator, [{ sequence, tokens: ids, logits: 'none' }]);
    blocks.push(sequence);
  }
  return blocks.map(({ memory }) => ({ memory, tokens }));
}

export async function timed(work: () => Promise<unknown>): Promise<number> {
  const started = performance.now();
  await work();
  return performance.now() - started;
}

/** What took less is run again in its turn, and the second run counts. */
const shortMs = 2000;

/**
 * Runs every alternative once per round, in turn, after one round that does not count. Short ones are run warm: others
 * may take minutes, and what nobody touches for so long has left the caches, and on some machines the memory.
 * @returns median ms of each
 */
export async function interleave(
  alternatives: readonly (readonly [name: string, work: () => Promise<number>])[],
  rounds: number,
): Promise<Record<string, number>> {
  const times = new Map<string, number[]>(alternatives.map(([name]) => [name, []]));
  for (let round = -1; round < rounds; round++) {
    for (const [name, work] of alternatives) {
      const started = performance.now();
      const cold = await work();
      const ms = performance.now() - started < shortMs ? await work() : cold;
      if (round >= 0) times.get(name)?.push(ms);
    }
  }
  return Object.fromEntries([...times].map(([name, list]) => [name, median(list) ?? Number.NaN]));
}

/** Prints the card and, as the last line, the JSON. */
export function report(name: string, options: BenchOptions, rows: readonly Record<string, string | number>[]): void {
  const machine = describeMachine();
  console.log(
    `${name} · ${machine.cpu}, ${options.threads} threads, Node ${machine.node} · ${options.path.split('/').at(-1)}`,
  );
  console.table(rows);
  printResult({ bench: name, machine, threads: options.threads, runs: options.runs, rows });
}

/** Prints the line for machines; `npm run bench -- NAME --save FILE` adds it to a file, too. */
export function printResult(result: { readonly bench: string; readonly [field: string]: unknown }): void {
  const line = JSON.stringify(result);
  console.log(line);
  const file = process.env.BLOCK_ATTENTION_BENCH_FILE;
  if (file) appendFileSync(file, `${line}\n`);
}

export const round = (value: number, digits = 2) => Number(value.toFixed(digits));
