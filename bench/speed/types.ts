/**
 * One shape with random weights in every type: reading 512 tokens, reading 50, and one more token behind the 512, against
 * llama.cpp of the same binaries with the same file (the faster of flash attention on and off), and against the type that
 * llama.cpp is fastest with. All passes go on to the last token's logits. Types take turns one after the other, the
 * alternatives of a type within each round.
 *
 * `npm run bench -- types [--shape smollm2-135m] [--types q4_0,q4_1,q8_0]`; with `llama-3.2-1b` some 7 GB of memory and 3 of
 * the temporary folder. k-quants need rows of a multiple of 256 numbers: `smollm2-135m` has none.
 */
import { rmSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { openReference, type Reference } from '@block-attention/engine/internal/ggml';
import { DecodeGraph, forwardStep, Model, Sequence } from '@block-attention/engine/internal/model';
import { describeMachine } from '../../packages/engine/src/eval/ttft/machine.ts';
import { interleave, openBench, printResult, round, someTokens, timed } from '../support/harness.ts';
import { shapes, weightType, writeShape } from '../support/shapes.ts';

const { values } = parseArgs({
  options: {
    shape: { type: 'string', default: 'smollm2-135m' },
    types: { type: 'string' },
    threads: { type: 'string', default: '2' },
    runs: { type: 'string', default: '3' },
  },
});
const shape = shapes[values.shape];
if (shape === undefined) {
  console.error(`--shape ${values.shape} is not known: use one of ${Object.keys(shapes).join(', ')}`);
  process.exit(2);
}
const [threads, runs] = [Number(values.threads), Number(values.runs)];
const whole = shape.embedding % 256 === 0 && shape.feedForward % 256 === 0;
const types = (
  values.types ?? (whole ? 'q4_0,q4_1,q8_0,q4_k,q5_k,q6_k,mxfp4,f16' : 'q4_0,q4_1,q5_0,q5_1,q8_0,mxfp4,f16,bf16,f32')
).split(',');
const wanted = types.map((name) => ({ name, type: weightType(name) }));

const folder = await mkdtemp(join(tmpdir(), 'block-attention-bench-'));
process.on('exit', () => rmSync(folder, { recursive: true, force: true }));

/** Tokens at once. One: behind the 512 of a block. */
const lengths = [512, 50, 1] as const;
/** Tokens decoded in one timing. */
const steps = 16;

/** ms a pass: by the native linear layers, by ggml's, by llama.cpp. */
interface Times {
  readonly native: number;
  readonly ggml: number;
  readonly llama: number;
}

async function measure(path: string): Promise<{ chosen: string; times: Times[] }> {
  const bench = await openBench({ path, threads, runs });
  const { backend, layout, allocator, paths, model } = bench;
  const [[, attention]] = paths;
  const stock = await Model.load(path, backend, { linear: 'ggml' });
  const auto = await Model.load(path, backend, { linear: 'auto' });
  const chosen = [...new Set(auto.linearDecisions.map(({ path }) => path))].join(' and ');
  auto.dispose();
  const references = await Promise.all(
    [true, false].map((flashAttention) => openReference(path, { contextTokens: 1024, threads, flashAttention })),
  );
  const { vocabulary } = model.hyperParameters;

  const read = (of: Model, count: number) => () =>
    timed(async () => {
      const sequence = new Sequence(backend, layout, [], count);
      await forwardStep(of, attention, allocator, [
        { sequence, tokens: someTokens(vocabulary, count, 1), logits: 'last' },
      ]);
      sequence.dispose();
    });
  const decode = (of: Model) => async () => {
    const sequence = new Sequence(backend, layout, [], 512 + steps + 8);
    const step = { sequence, tokens: someTokens(vocabulary, 512, 1), logits: 'last' as const };
    await forwardStep(of, attention, allocator, [step]);
    const graph = new DecodeGraph(of, attention, [sequence]);
    await graph.run(Int32Array.of(500));
    const ms = await timed(async () => {
      for (let i = 0; i < steps; i++) await graph.run(Int32Array.of(500 + i));
    });
    graph.dispose();
    sequence.dispose();
    return ms / steps;
  };
  const readTheirs = (reference: Reference, count: number) => async () => {
    await reference.clear();
    return timed(() => reference.decode(someTokens(vocabulary, count, 1), { logits: 'last' }));
  };
  const decodeTheirs = (reference: Reference) => async () => {
    await readTheirs(reference, 512)();
    await reference.decode(Int32Array.of(500), { logits: 'last' });
    const ms = await timed(async () => {
      for (let i = 0; i < steps; i++) await reference.decode(Int32Array.of(500 + i), { logits: 'last' });
    });
    return ms / steps;
  };

  const times: Times[] = [];
  for (const count of lengths) {
    const one = count === 1;
    const ms = await interleave(
      [
        ['native', one ? decode(model) : read(model, count)],
        ['ggml', one ? decode(stock) : read(stock, count)],
        ...references.map((reference, i): [string, () => Promise<number>] => [
          `llama ${i}`,
          one ? decodeTheirs(reference) : readTheirs(reference, count),
        ]),
      ],
      runs,
    );
    const llama = Math.min(ms['llama 0'] ?? Infinity, ms['llama 1'] ?? Infinity);
    times.push({ native: ms.native ?? Number.NaN, ggml: ms.ggml ?? Number.NaN, llama });
  }
  for (const reference of references) await reference[Symbol.asyncDispose]();
  allocator.dispose();
  stock.dispose();
  model.dispose();
  backend.dispose();
  return { chosen, times };
}

const measured: { name: string; chosen: string; times: Times[] }[] = [];
for (const { name, type } of wanted) {
  console.error(`${values.shape} in ${name} …`);
  const path = join(folder, `${name}.gguf`);
  await writeShape(path, values.shape, shape, { type });
  measured.push({ name, ...(await measure(path)) });
  await rm(path);
}

const rows = lengths.flatMap((count, at) => {
  const best = Math.min(...measured.map(({ times }) => times[at]?.llama ?? Infinity));
  return measured.map(({ name, chosen, times }) => {
    const { native, ggml, llama } = times[at] ?? { native: Number.NaN, ggml: Number.NaN, llama: Number.NaN };
    return {
      tokens: count,
      type: name,
      'native ms': round(native, 1),
      'ggml ms': round(ggml, 1),
      'llama.cpp ms': round(llama, 1),
      'native × llama.cpp': round(llama / native),
      'ggml × llama.cpp': round(llama / ggml),
      'native × its best type': round(best / native),
      auto: chosen,
    };
  });
});
const machine = describeMachine();
console.log(`types, shape of ${values.shape} · ${machine.cpu}, ${threads} threads, Node ${machine.node}`);
console.table(rows);
printResult({ bench: `types, shape of ${values.shape}`, machine, threads, runs, rows });
process.exit(0);
