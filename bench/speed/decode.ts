/**
 * Decoding after 8,192 tokens of context, in blocks of 512 tokens and, as passages are, of 128, one sequence and eight that
 * share the passages, against llama.cpp with the same context in its cache: one sequence, and eight that share it as one
 * prefix; and against transformers.js with one where it is given the model (`--onnx`). `npm run bench -- decode`
 */
import { openReference } from '@block-attention/engine/internal/ggml';
import { type AttentionFactory, DecodeGraph, forwardStep, Sequence } from '@block-attention/engine/internal/model';
import type { TokenPeer } from '../peers/open-peer.ts';
import {
  benchOptions,
  interleave,
  openBench,
  report,
  round,
  someBlocks,
  someTokens,
  timed,
} from '../support/harness.ts';

const options = await benchOptions({ runs: 3 });
const bench = await openBench(options);
const { backend, model, layout, allocator, paths } = bench;
const { vocabulary } = model.hyperParameters;
const blockTokens = 512;
const count = 16;
const steps = 24;
const question = someTokens(vocabulary, 50, 99);
const [[, firstPath]] = paths;
const blocks = await someBlocks(bench, firstPath, count, blockTokens);
const passageTokens = 128;
const passages = await someBlocks(bench, firstPath, (count * blockTokens) / passageTokens, passageTokens);

const together = 8;
const context = count * blockTokens + question.length;

const openOf = (sequences: number) =>
  openReference(options.path, {
    contextTokens: context + sequences * (steps + 8),
    threads: options.threads,
    flashAttention: true,
    sequences,
  });
const reference = await openOf(1);
console.error('llama.cpp reads the context …');
for (let i = 0; i < count; i++) await reference.decode(someTokens(vocabulary, blockTokens, i), { logits: 'last' });
await reference.decode(question, { logits: 'last' });
const eight = await openOf(together);
await eight.restoreState(await reference.saveState());

const transformersJs = await options.transformersJs?.();
if (transformersJs !== undefined) {
  console.error('transformers.js reads the context …');
  const whole = Array.from({ length: count }, (_, i) => [...someTokens(vocabulary, blockTokens, i)]).flat();
  // A model in ONNX has no position beyond what it was trained for.
  await transformersJs.keep(Int32Array.from(whole.slice(question.length + steps + 1)), 'context');
}

async function decodeOurs(attention: AttentionFactory, sequences: number, behind = blocks): Promise<number> {
  const batch = Array.from(
    { length: sequences },
    () => new Sequence(backend, layout, behind, question.length + steps + 8),
  );
  await forwardStep(
    model,
    attention,
    allocator,
    batch.map((sequence) => ({ sequence, tokens: question, logits: 'last' as const })),
  );
  const graph = new DecodeGraph(model, attention, batch);
  await graph.run(new Int32Array(sequences).fill(500));
  const ms = await timed(async () => {
    for (let i = 0; i < steps; i++) await graph.run(new Int32Array(sequences).fill(500 + i));
  });
  graph.dispose();
  for (const sequence of batch) sequence.dispose();
  return ms / steps;
}

/** What each token after the first takes. */
const decodePeer = (peer: TokenPeer) => async () => {
  const first = await peer.generate(question, { from: 'context' });
  return ((await peer.generate(question, { from: 'context', count: steps + 1 })) - first) / steps;
};

const times = await interleave(
  [
    ...paths.map(([name, attention]): [string, () => Promise<number>] => [
      `${name}, 1 sequence`,
      () => decodeOurs(attention, 1),
    ]),
    [`${paths[0][0]}, 1 sequence, ${passages.length} blocks`, () => decodeOurs(firstPath, 1, passages)],
    // Stock operations for eight take minutes.
    [`${paths[0][0]}, 8 sequences`, () => decodeOurs(firstPath, together)],
    [
      'llama.cpp, 1 sequence',
      async () => {
        await reference.share(context);
        await reference.decode(Int32Array.of(500), { logits: 'last' });
        const ms = await timed(async () => {
          for (let i = 0; i < steps; i++) await reference.decode(Int32Array.of(500 + i), { logits: 'last' });
        });
        return ms / steps;
      },
    ],
    ...(transformersJs === undefined ? [] : [['transformers.js, 1 sequence', decodePeer(transformersJs)] as const]),
    [
      'llama.cpp, 8 sequences',
      async () => {
        await eight.share(context);
        await eight.decodeEach(new Int32Array(together).fill(500));
        const ms = await timed(async () => {
          for (let i = 0; i < steps; i++) await eight.decodeEach(new Int32Array(together).fill(500 + i));
        });
        return ms / steps;
      },
    ],
  ],
  options.runs,
);
report(
  'decode',
  options,
  Object.entries(times).map(([path, ms]) => {
    const sequences = path.includes('8 sequences') ? together : 1;
    const yardstick = times[`llama.cpp, ${sequences === 1 ? '1 sequence' : '8 sequences'}`] ?? Number.NaN;
    return {
      path,
      msPerStep: round(ms, 1),
      tokensPerSecond: round((sequences * 1000) / ms, 1),
      timesLlamaCpp: round(yardstick / ms),
    };
  }),
);
process.exit(0);
