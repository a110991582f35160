/**
 * Time to first token with all passages encoded, everything counted, against what else one could do with llama.cpp of
 * the same binaries: prefill the whole prompt; restore the kept state of the same passages in the same order; restore a
 * state whose passages come in another order, where only what both begin with can be kept. And against the floor: the
 * operations of the final block at the machine's measured multiply-add peak, or one read of weights and states.
 * node-llama-cpp does the same where it is installed (bench/peers), and transformers.js with the model in ONNX (--onnx).
 * `npm run bench -- ttft [--tokens 4096]`; for a shape of shapes.ts with random weights:
 * `npm run bench -- ttft --shape llama-3.1-8b --tokens 2048`
 */
import { rmSync, statSync } from 'node:fs';
import { mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { createEngine, type EngineOptions } from '@block-attention/engine/internal/engine';
import { openReference, openTokenizer, type Reference } from '@block-attention/engine/internal/ggml';
import { paperRows } from '../../packages/engine/src/eval/ttft/paper.ts';
import { exactPrompt } from '../../packages/engine/src/eval/ttft/ttft-prompt.ts';
import { resolveModel } from '../../src/hub/index.ts';
import { onnxOptions, openNodeLlamaCpp, openTransformersJs } from '../peers/open-peer.ts';
import { interleave, report, round, timed } from '../support/harness.ts';
import { measurePeak } from '../support/peak.ts';
import { randomStore } from '../support/random-states.ts';
import { shapes, writeShape } from '../support/shapes.ts';

const { values } = parseArgs({
  options: {
    model: { type: 'string', default: 'smollm2-135m' },
    threads: { type: 'string', default: '2' },
    runs: { type: 'string', default: '3' },
    tokens: { type: 'string', default: '4096' },
    /** Without the slow peers: our own variants and the floor alone. */
    peers: { type: 'string', default: 'all' },
    ...onnxOptions,
    /** Random weights of this shape instead of a model. */
    shape: { type: 'string' },
    /** Beyond this length nothing that reads the whole prompt is measured but our own full attention, once. */
    'max-full-tokens': { type: 'string', default: '8192' },
    /** Beyond that length: `none`, and our own full attention is left out, too; `llama`, and llama.cpp's is measured once, too. */
    full: { type: 'string', default: 'once' },
  },
});
/** Ends with the choices where an option has none of them. */
function checkChoice(option: string, given: string | undefined, choices: readonly string[]): void {
  if (given === undefined || choices.includes(given)) return;
  console.error(`--${option} ${given} is not known: use one of ${choices.join(', ')}`);
  process.exit(2);
}
checkChoice('shape', values.shape, Object.keys(shapes));
checkChoice('peers', values.peers, ['all', 'none']);
checkChoice('full', values.full, ['once', 'none', 'llama']);
const [threads, runs, length] = [Number(values.threads), Number(values.runs), Number(values.tokens)];
const wanted = values.shape;
const shape = wanted === undefined ? undefined : shapes[wanted];
const folder = await mkdtemp(join(tmpdir(), 'block-attention-bench-'));
process.on('exit', () => rmSync(folder, { recursive: true, force: true }));
let path = join(folder, `${wanted}.gguf`);
if (wanted !== undefined && shape !== undefined) {
  console.error(`writing random weights of the shape of ${wanted}, q4_0 …`);
  await writeShape(path, wanted, shape);
} else path = (await resolveModel(values.model)).path;
const isShort = length <= Number(values['max-full-tokens']) && shape === undefined;
const withPeers = values.peers === 'all' && isShort;
const withFull = isShort || (values.full !== 'none' && shape === undefined);
const peak = measurePeak(threads);
const tokenizer = await openTokenizer(path);
const prompt = exactPrompt({ tokens: length, questionTokens: 50, blockTokens: 512, tokenizer });
if (shape !== undefined) {
  console.error(
    'random weights and random states of the passages, which are not encoded; nothing that reads the whole prompt is measured',
  );
} else if (!isShort) {
  console.error(
    `${length} tokens are more than --max-full-tokens ${values['max-full-tokens']}: ${values.full === 'llama' ? 'llama.cpp is measured once, ' : 'llama.cpp and '}our slower variants are left out, our own full attention is measured ${withFull ? 'once' : 'not at all'}`,
  );
}

async function ours(options: Partial<EngineOptions>) {
  const engine = await createEngine({
    modelPath: path,
    threads,
    template: 'plain',
    // Beyond what the model was trained for positions go on: the time is the same, the answer would make no sense.
    contextTokens: length + 1,
    storeBytes: 2 ** 40,
    ...(shape !== undefined && { store: randomStore(), device: 'cpu', cacheDir: folder }),
    ...options,
  });
  const request = { system: prompt.system, passages: prompt.passages, question: prompt.question, maxTokens: 1 };
  const answer = (mode: 'block' | 'full' = 'block') => engine.answer({ ...request, mode }).result;
  if (engine.model.trainedContext < length) {
    console.error(
      `the model was trained for ${engine.model.trainedContext} tokens: beyond them time alone is measured`,
    );
  }
  if (shape === undefined) console.error(`encoding ${length} tokens …`);
  await answer();
  // The first answer encoded the passages; what a first token costs is the second one's.
  const warm = await answer();
  const stateBytes = warm.blocks.reduce((sum, { bytes }) => sum + bytes, 0);
  return { answer, flops: warm.flops, bytes: stateBytes, weightBytes: statSync(path).size };
}

const best = await ours({});
const alternatives: [string, () => Promise<number>][] = [['block mode', async () => (await best.answer()).ttftMs]];
if (isShort) {
  const plainLinear = await ours({ linear: 'ggml' });
  const portable = await ours({ attention: 'portable', linear: 'ggml' });
  alternatives.push(
    ["block mode, ggml's linear layers", async () => (await plainLinear.answer()).ttftMs],
    ['block mode, stock operations alone', async () => (await portable.answer()).ttftMs],
    ['this engine: full prefill', async () => (await best.answer('full')).ttftMs],
  );
}

/** Of llama.cpp: it takes whole multiples. */
const contextTokens = Math.ceil((length + 1) / 256) * 256;

async function decodeAll(reference: Reference, tokens: Int32Array): Promise<void> {
  for (let first = 0; first < tokens.length; first += 2048)
    await reference.decode(tokens.subarray(first, first + 2048), { logits: 'last' });
}

const context = prompt.tokens.subarray(0, length - 50);
const question = prompt.tokens.subarray(length - 50);
/** Tokens that the same passages in another order share with what is kept. */
const instruction = prompt.blockTokens[0] ?? 0;

if (withPeers) {
  for (const flashAttention of [true, false]) {
    const reference = await openReference(path, { contextTokens, threads, flashAttention });
    console.error(`llama.cpp reads ${context.length} tokens …`);
    await decodeAll(reference, prompt.tokens.subarray(0, instruction));
    const begin = await reference.saveState();
    await decodeAll(reference, context.subarray(instruction));
    const whole = await reference.saveState();
    const name = `llama.cpp${flashAttention ? ', flash attention' : ''}`;
    const from = (state: Uint8Array, rest: Int32Array) => () =>
      timed(async () => {
        await reference.restoreState(state);
        await decodeAll(reference, rest);
      });
    alternatives.push(
      [
        `${name}: full prefill`,
        async () => {
          await reference.clear();
          return timed(() => decodeAll(reference, prompt.tokens));
        },
      ],
      [`${name}: kept prefix, same order`, from(whole, question)],
      [`${name}: kept prefix, shuffled`, from(begin, prompt.tokens.subarray(instruction))],
    );
  }
}

const nodeLlamaCpp = withPeers ? await openNodeLlamaCpp(path, threads, length + 64) : undefined;
const transformersJs = withPeers ? await openTransformersJs(values, threads) : undefined;
for (const peer of [nodeLlamaCpp, transformersJs]) {
  if (peer === undefined) continue;
  const { name } = peer;
  console.error(`${name} reads ${context.length} tokens …`);
  await peer.keep(prompt.tokens.subarray(0, instruction), 'instruction');
  await peer.keep(context, 'context');
  alternatives.push(
    [`${name}: full prefill`, () => peer.generate(prompt.tokens)],
    [`${name}: kept prefix, same order`, () => peer.generate(question, { from: 'context' })],
    [
      `${name}: kept prefix, shuffled`,
      () => peer.generate(prompt.tokens.subarray(instruction), { from: 'instruction' }),
    ],
  );
}

const times = await interleave(alternatives, runs);
if (withFull && !isShort) {
  console.error(`full attention over ${length} tokens, once …`);
  times['this engine: full prefill'] = (await best.answer('full')).ttftMs;
}
if (values.full === 'llama' && !isShort && shape === undefined) {
  const reference = await openReference(path, { contextTokens, threads, flashAttention: true });
  console.error(`llama.cpp reads ${length} tokens, once …`);
  times['llama.cpp, flash attention: full prefill'] = await timed(() => decodeAll(reference, prompt.tokens));
}
const full = Math.min(...Object.entries(times).map(([name, ms]) => (name.endsWith('full prefill') ? ms : Infinity)));
// Every weight is read once, and every stored key and value.
const readBytes = best.bytes + best.weightBytes;
const floorMs = peak && Math.max(best.flops.spent / peak.gflops / 1e6, readBytes / peak.readGbPerSecond / 1e6);
const rows: Record<string, string | number>[] = Object.entries(times).map(([way, ms]) => ({
  way,
  ms: round(ms, 1),
  ...(Number.isFinite(full) &&
    !way.endsWith('full prefill') && { lessThanFull: `${round(100 - (100 * ms) / full, 2)} %` }),
  ...(floorMs !== undefined && { timesFloor: round(ms / floorMs) }),
}));
if (peak !== undefined && floorMs !== undefined) {
  const way = `floor (${peak.gflops} GFLOP/s f32, ${peak.readGbPerSecond} GB/s)`;
  rows.push({ way, ms: round(floorMs, 1) });
}
const { spentLinear, fullLinear } = best.flops;
const paper = paperRows.find(({ tokens }) => tokens === length);
console.log(
  `operations of the matrices: ${spentLinear.toExponential(1)} of ${fullLinear.toExponential(1)} (${round(100 - (100 * spentLinear) / fullLinear, 2)} % less)${
    paper === undefined ? '' : `; the paper, 8B on one GPU: ${paper.blockMs} of ${paper.fullMs} ms to the first token`
  }`,
);
report(`ttft, ${length} tokens${wanted === undefined ? '' : `, shape of ${wanted}`}`, { path, threads, runs }, rows);
process.exit(0);
