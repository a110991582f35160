/**
 * A mixture of experts on the CPU: the shape of Qwen 3 30B-A3B, cut to some of its layers, with random weights. Encoding a
 * block against llama.cpp's prefill of as many tokens of the same file; the first token behind passages whose states are
 * there (random ones: nothing is encoded) against llama.cpp's kept prefix and its prefill of the whole prompt.
 *
 * With 4 layers and q4_0 some 8 GB of memory, three copies of the experts among them, and 2 GB of the temporary folder; the
 * whole prefill is measured once. `npm run bench -- experts [--layers 4] [--tokens 4096] [--type q4_0]`
 */
import { rmSync } from 'node:fs';
import { mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { createEngine } from '@block-attention/engine/internal/engine';
import { openReference, openTokenizer } from '@block-attention/engine/internal/ggml';
import { forwardStep, Model, Sequence } from '@block-attention/engine/internal/model';
import { exactPrompt } from '../../packages/engine/src/eval/ttft/ttft-prompt.ts';
import { interleave, openBench, report, round, someTokens, timed } from '../support/harness.ts';
import { randomStore } from '../support/random-states.ts';
import { mixtureShape, weightType, writeShape } from '../support/shapes.ts';

const { values } = parseArgs({
  options: {
    threads: { type: 'string', default: '2' },
    runs: { type: 'string', default: '3' },
    layers: { type: 'string', default: '4' },
    tokens: { type: 'string', default: '4096' },
    type: { type: 'string', default: 'q4_0' },
  },
});
const type = weightType(values.type);
const [threads, runs, layers, length] = [values.threads, values.runs, values.layers, values.tokens].map(Number);
const questionTokens = 50;

const folder = await mkdtemp(join(tmpdir(), 'block-attention-bench-'));
process.on('exit', () => rmSync(folder, { recursive: true, force: true }));
const path = join(folder, `mixture-${values.type}.gguf`);
console.error(`writing random weights of the shape of Qwen 3 30B-A3B, ${layers} of 48 layers, ${values.type} …`);
await writeShape(path, 'mixture', mixtureShape(layers ?? 4), { type });

const options = { path, threads: threads ?? 2, runs: runs ?? 3 };
const tokens = length ?? 4096;
const contextTokens = Math.ceil((tokens + 1) / 256) * 256;
const reference = await openReference(path, { contextTokens, threads: options.threads, flashAttention: true });
const tokenizer = await openTokenizer(path);
const prompt = exactPrompt({ tokens, questionTokens, blockTokens: 512, tokenizer });

async function read(ids: Int32Array): Promise<void> {
  for (let first = 0; first < ids.length; first += 2048) {
    await reference.decode(ids.subarray(first, first + 2048), { logits: 'last' });
  }
}

console.error(`llama.cpp reads ${tokens} tokens, once …`);
const question = prompt.tokens.subarray(tokens - questionTokens);
const prefill = { context: 0, question: 0 };
prefill.context = await timed(() => read(prompt.tokens.subarray(0, tokens - questionTokens)));
const kept = await reference.saveState();
prefill.question = await timed(() => read(question));

const bench = await openBench(options);
const { backend, layout, allocator, paths } = bench;
const [[name, attention]] = paths;
// The same weights twice, with their copies for ggml: by turns, so that neither is favoured.
const stock = await Model.load(path, backend, { linear: 'ggml' });
const block = someTokens(stock.hyperParameters.vocabulary, 512, 1);
const pass = (model: Model, logits: 'none' | 'last') => () =>
  timed(async () => {
    const sequence = new Sequence(backend, layout, [], block.length);
    await forwardStep(model, attention, allocator, [{ sequence, tokens: block, logits }]);
    sequence.dispose();
  });
// Encoding stops at the states of the last layer: of 48 that is nothing, of a few much. So passes to the logits compare.
const whole = `512 tokens to the last one's logits: ${name} attention`;
const theirs = `512 tokens to the last one's logits: llama.cpp, flash attention`;
const encoding = await interleave(
  [
    [whole, pass(bench.model, 'last')],
    [`${whole}, ggml's linear layers and experts`, pass(stock, 'last')],
    ['512 tokens encoded, without the last layer', pass(bench.model, 'none')],
    [
      theirs,
      async () => {
        await reference.clear();
        return timed(() => read(block));
      },
    ],
  ],
  options.runs,
);
bench.model.dispose();
stock.dispose();

const engine = await createEngine({
  modelPath: path,
  threads: options.threads,
  template: 'plain',
  device: 'cpu',
  cacheDir: folder,
  contextTokens: tokens + 1,
  store: randomStore(),
  mode: 'block',
});
const request = { system: prompt.system, passages: prompt.passages, question: prompt.question, maxTokens: 1 };
const first = await interleave(
  [
    [`first token, ${tokens} tokens: block mode`, async () => (await engine.answer(request).result).ttftMs],
    [
      `first token, ${tokens} tokens: llama.cpp, kept prefix, same order`,
      () =>
        timed(async () => {
          await reference.restoreState(kept);
          await read(question);
        }),
    ],
  ],
  options.runs,
);
const full = `first token, ${tokens} tokens: llama.cpp, full prefill (once)`;
const rows = Object.entries({ ...encoding, ...first, [full]: prefill.context + prefill.question });
report(
  'experts',
  options,
  rows.map(([what, ms]) => ({ what, ms: round(ms, 0) })),
);
console.error(`${round((encoding[theirs] ?? Number.NaN) / (encoding[whole] ?? Number.NaN))} × llama.cpp's prefill`);
process.exit(0);
