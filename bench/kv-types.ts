/**
 * Element types of stored states: bytes, error against f32 states, and the time of a final block over 8,192 tokens.
 * `npx tsx bench/kv-types.ts`
 */
import type { TensorMemory } from '../src/ggml/backend.ts';
import { Backend, loadNativeKernel } from '../src/ggml/index.ts';
import {
  convertBlock,
  forwardStep,
  KvLayout,
  type KvType,
  Model,
  nativeAttention,
  portableAttention,
  Sequence,
} from '../src/model/index.ts';
import { benchOptions, interleave, report, round, someTokens, timed } from './harness.ts';

const options = await benchOptions({ runs: 5 });
const backend = await Backend.open({ device: 'cpu', threads: options.threads });
const model = await Model.load(options.path, backend);
const hp = model.hyperParameters;
const allocator = backend.allocator();
const kernel = loadNativeKernel();
const attend = kernel ? nativeAttention(kernel) : portableAttention;
const count = 16;
const tokens = 512;
const question = someTokens(hp.vocabulary, 50, 77);

const exact = new KvLayout(hp, 'f32');
const sources: Sequence[] = [];
for (let i = 0; i < count; i++) {
  const sequence = new Sequence(backend, exact, [], tokens);
  const ids = someTokens(hp.vocabulary, tokens, i);
  await forwardStep(model, attend(model, exact), allocator, [{ sequence, tokens: ids, logits: 'none' }]);
  sources.push(sequence);
}

const types: KvType[] = ['f32', 'f16', 'q8_0'];
const prepared: { type: KvType; layout: KvLayout; run: () => Promise<Float32Array> }[] = [];
for (const type of types) {
  const layout = new KvLayout(hp, type);
  const blocks: { memory: TensorMemory; tokens: number }[] = [];
  for (const { memory } of sources) {
    const target = backend.allocateMemory(layout.blockBytes(tokens));
    await convertBlock(model, allocator, { layout: exact, memory }, { layout, memory: target }, tokens);
    blocks.push({ memory: target, tokens });
  }
  const run = async (): Promise<Float32Array> => {
    // The own cache stays exact: what differs is the stored states alone.
    const sequence = new Sequence(backend, exact, blocks, question.length);
    const [logits] = await forwardStep(model, attend(model, layout), allocator, [
      { sequence, tokens: question, logits: 'last' },
    ]);
    sequence.dispose();
    return (logits ?? new Float32Array(0)).slice();
  };
  prepared.push({ type, layout, run });
}

const times = await interleave(
  prepared.map(({ type, run }): [string, () => Promise<number>] => [type, () => timed(run)]),
  options.runs,
);
const [reference] = prepared;
const expected = (await reference?.run()) ?? new Float32Array(0);
const rows = [];
for (const { type, layout, run } of prepared) {
  const logits = await run();
  let difference = 0;
  let norm = 0;
  for (const [i, value] of expected.entries()) {
    difference += ((logits[i] ?? 0) - value) ** 2;
    norm += value ** 2;
  }
  rows.push({
    type,
    kibPerToken: round(layout.bytesPerToken / 1024, 2),
    logitError: Math.sqrt(difference / norm).toExponential(1),
    finalBlockMs: round(times[type] ?? Number.NaN, 0),
  });
}
report('kv-types', options, rows);
process.exit(0);
