/**
 * Encoding throughput of 512-token blocks against llama.cpp's prefill of as many, with and without the native linear
 * layers, and transformers.js's where it is given the model (`--onnx`). `npm run bench -- encode`
 */
import { openReference } from '@block-attention/engine/internal/ggml';
import { type AttentionFactory, forwardStep, Model, Sequence } from '@block-attention/engine/internal/model';
import { benchOptions, interleave, openBench, report, round, someTokens, timed } from '../support/harness.ts';

const options = await benchOptions({ runs: 5 });
const bench = await openBench(options);
const { backend, layout, allocator, paths } = bench;
const tokens = someTokens(bench.model.hyperParameters.vocabulary, 512, 1);
const references = await Promise.all(
  [true, false].map((flashAttention) =>
    openReference(options.path, { contextTokens: 1024, threads: options.threads, flashAttention }),
  ),
);
const [best] = paths;
const stockLinear = await Model.load(options.path, backend, { linear: 'ggml' });

const transformersJs = await options.transformersJs?.();

const encode = (model: Model, attention: AttentionFactory) => () =>
  timed(async () => {
    const sequence = new Sequence(backend, layout, [], tokens.length);
    await forwardStep(model, attention, allocator, [{ sequence, tokens, logits: 'none' }]);
    sequence.dispose();
  });

const times = await interleave(
  [
    ...paths.map(([name, attention]): [string, () => Promise<number>] => [
      `${name} attention`,
      encode(bench.model, attention),
    ]),
    [`${best[0]} attention, ggml's linear layers`, encode(stockLinear, best[1])],
    ...references.map((reference, i): [string, () => Promise<number>] => [
      i === 0 ? 'llama.cpp, flash attention' : 'llama.cpp',
      async () => {
        await reference.clear();
        return timed(() => reference.decode(tokens, { logits: 'last' }));
      },
    ]),
    ...(transformersJs === undefined
      ? []
      : [[transformersJs.name, () => transformersJs.generate(tokens)] as [string, () => Promise<number>]]),
  ],
  options.runs,
);
const yardstick = Math.min(times['llama.cpp, flash attention'] ?? Infinity, times['llama.cpp'] ?? Infinity);
report(
  'encode',
  options,
  Object.entries(times).map(([path, ms]) => ({
    path,
    ms: round(ms, 0),
    tokensPerSecond: round((tokens.length * 1000) / ms, 0),
    timesLlamaCpp: round(yardstick / ms),
  })),
);
process.exit(0);
