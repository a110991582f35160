/**
 * Element types of stored states: bytes, error against f32 states, and the time of a final block over 8,192 tokens.
 * `npm run bench -- kv-types`
 *
 * q4_0 is not a type of the store. Its error shows why: states are rounded to it and held as f32, so it has no time.
 */

import { Backend, loadNativeKernel } from '@block-attention/engine/internal/ggml';
import {
  convertBlock,
  forwardStep,
  KvLayout,
  type KvType,
  Model,
  nativeAttention,
  portableAttention,
  Sequence,
} from '@block-attention/engine/internal/model';
import type { TensorMemory } from '../../packages/engine/src/ggml/device/backend.ts';
import { allocateMemory } from '../../packages/engine/src/ggml/ffi/memory.ts';
import { dequantize, quantize } from '../../packages/engine/src/ggml/graph/quantize.ts';
import { rowBytes, TensorType } from '../../packages/engine/src/ggml/graph/tensor.ts';
import { tokenPadding } from '../../packages/engine/src/model/kv/kv-layout.ts';
import { firstTokenKl } from '../../packages/engine/src/scoring/first-token.ts';
import { benchOptions, interleave, report, round, someTokens, timed } from '../support/harness.ts';

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

/** A copy of exact states whose values went through q4_0, in the groups of 32 that a q4_0 layout would have. */
async function roundedToQ4({ memory }: Sequence): Promise<TensorMemory> {
  const copy = allocateMemory(exact.blockBytes(tokens));
  const target = backend.hostMemory(copy.address);
  await convertBlock(model, allocator, { layout: exact, memory }, { layout: exact, memory: target }, tokens);
  const values = dequantize(TensorType.F32, copy.bytes, tokenPadding);
  const rounded = dequantize(TensorType.Q4_0, quantize(TensorType.Q4_0, values, tokenPadding), tokenPadding);
  copy.bytes.set(new Uint8Array(rounded.buffer));
  return target;
}

interface Prepared {
  readonly type: string;
  readonly bytesPerToken: number;
  readonly run: () => Promise<Float32Array>;
}

/** Reads the question over 16 blocks of these states. The own cache stays exact: what differs is the stored states. */
function prepare(type: string, layout: KvLayout, memories: readonly TensorMemory[], bytesPerToken: number): Prepared {
  const blocks = memories.map((memory) => ({ memory, tokens }));
  const run = async (): Promise<Float32Array> => {
    const sequence = new Sequence(backend, exact, blocks, question.length);
    const [logits] = await forwardStep(model, attend(model, layout), allocator, [
      { sequence, tokens: question, logits: 'last' },
    ]);
    sequence.dispose();
    return (logits ?? new Float32Array(0)).slice();
  };
  return { type, bytesPerToken, run };
}

const prepared: Prepared[] = [];
for (const type of ['f32', 'f16', 'q8_0'] satisfies KvType[]) {
  const layout = new KvLayout(hp, type);
  const memories: TensorMemory[] = [];
  for (const { memory } of sources) {
    const target = backend.allocateMemory(layout.blockBytes(tokens));
    await convertBlock(model, allocator, { layout: exact, memory }, { layout, memory: target }, tokens);
    memories.push(target);
  }
  prepared.push(prepare(type, layout, memories, layout.bytesPerToken));
}
const times = await interleave(
  prepared.map(({ type, run }): [string, () => Promise<number>] => [type, () => timed(run)]),
  options.runs,
);
const q4Bytes = rowBytes(TensorType.Q4_0, exact.bytesPerToken / 4);
const rounded: TensorMemory[] = [];
for (const source of sources) rounded.push(await roundedToQ4(source));
prepared.push(prepare('q4_0', exact, rounded, q4Bytes));

const [reference] = prepared;
const expected = (await reference?.run()) ?? new Float32Array(0);
const rows = [];
for (const { type, bytesPerToken, run } of prepared) {
  const logits = await run();
  let difference = 0;
  let norm = 0;
  for (const [i, value] of expected.entries()) {
    difference += ((logits[i] ?? 0) - value) ** 2;
    norm += value ** 2;
  }
  rows.push({
    type,
    kibPerToken: round(bytesPerToken / 1024, 2),
    logitError: Math.sqrt(difference / norm).toExponential(1),
    firstTokenKl: firstTokenKl(expected, logits).kl.toExponential(1),
    finalBlockMs: times[type] === undefined ? 'not offered' : round(times[type], 0),
  });
}
report('kv-types', options, rows);
process.exit(0);
