import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { modelVariants } from '../../../../../tests/support/models/model-variants.ts';
import { type RandomModelSpec, writeRandomModel } from '../../../../../tests/support/models/random-model.ts';
import { type GgufFile, openGguf } from '../../ggml/gguf/gguf-file.ts';
import { linearWeights } from '../architecture/flops.ts';
import { readHyperParameters } from '../architecture/hyper-parameters.ts';
import { mixersOf } from '../architecture/mixers.ts';
import { KvLayout } from '../kv/kv-layout.ts';
import { families, familyOf } from './index.ts';

const folder = mkdtempSync(join(tmpdir(), 'block-attention-families-'));
afterAll(() => rmSync(folder, { recursive: true }));

/** A file of which only these keys and tensors are known. */
function file(values: Record<string, number | boolean>, tensors: readonly string[] = []): GgufFile {
  return {
    path: 'model.gguf',
    paths: ['model.gguf'],
    bytes: 0,
    tensors: new Map(tensors.map((name) => [name, { name, type: 0, ne: [1, 1, 1, 1], offset: 0, bytes: 4 }])),
    value: (key) => values[key],
    numbers: () => undefined,
    arrayLength: () => undefined,
    keys: Object.keys(values),
  };
}

test.each([
  ['mamba2', {}, [], 'recurrent state'],
  ['qwen35', {}, [], 'recurrent state'],
  ['gemma4-assistant', {}, [], 'predicts tokens for another model'],
  ['cogvlm-vl', {}, [], 'it reads images'],
  ['deepseek32', {}, [], 'sparse attention'],
  ['nomic-bert', {}, [], 'it is an encoder'],
  ['t5', {}, [], 'not a decoder-only'],
  ['gpt2', {}, [], 'absolute or learned'],
  ['dbrx', {}, [], 'no forward graph is written for it'],
  ['toString', {}, [], 'no forward graph is written for it'],
  ['gemma3', { 'gemma3.expert_count': 8 }, [], 'routes over 8 experts'],
  ['llama', {}, ['blk.0.attn_kv_a_mqa.weight'], 'tensor blk.0.attn_kv_a_mqa.weight'],
  ['llama', { 'llama.attention.causal': false }, [], 'not causal'],
  ['llama', {}, ['blk.0.ssm_in.weight'], 'tensor blk.0.ssm_in.weight'],
  ['llama', {}, ['position_embd.weight'], 'tensor position_embd.weight'],
  ['lfm2', {}, ['dense_2.weight'], 'tensor dense_2.weight'],
  ['lfm2', { 'lfm2.attention.causal': false }, [], 'not causal'],
] as const)('%s %j %j is refused: %s', (architecture, values, tensors, reason) => {
  expect(() => familyOf(architecture, file(values, tensors))).toThrow(
    expect.objectContaining({ code: 'MODEL_UNSUPPORTED', message: expect.stringContaining(reason) }),
  );
});

test.each(Object.keys(families))('%s is accepted', (architecture) => {
  expect(familyOf(architecture, file({}))).toBe(families[architecture]);
});

async function read(spec: RandomModelSpec) {
  const path = join(folder, `${spec.family}.gguf`);
  await writeRandomModel(path, spec, 1);
  return readHyperParameters(await openGguf(path));
}

test('a latent and the rotated part of a key are all that a token stores', async () => {
  const spec = modelVariants.deepseek2;
  const { rank, rotated } = spec.latent;
  const parameters = await read(spec);
  const [attention] = parameters.attention;
  expect(attention).toMatchObject({ kvHeads: 1, headDim: rank + rotated, valueDim: rank, valuesInKeys: true });
  expect(attention?.rope?.dims).toBe(rotated);
  expect(new KvLayout(parameters, 'f16').bytesPerToken).toBe(parameters.layers * (rank + rotated) * 2);
  expect(parameters.experts).toMatchObject({ groups: 4, groupsUsed: 2, routing: 'sigmoid', normalised: true });
});

test.each([
  [{ expert_group_count: { u32: 3 } }, 'expert_group_count is 3, expected a divisor of the 16 experts'],
  [
    { expert_group_count: { u32: 16 } },
    'expert_group_count is 16, expected a divisor of the 16 experts that leaves two',
  ],
  [{ expert_group_used_count: { u32: 9 } }, 'expert_group_used_count is 9, expected an integer from 1 to 4'],
  [{ expert_group_count: { u32: 8 }, expert_group_used_count: { u32: 1 } }, 'enough groups of 2 for the 3 experts'],
  [{ 'attention.kv_lora_rank': { u32: 0 } }, 'attention.kv_lora_rank is 0, expected an integer from 8'],
  [{ 'attention.key_length_mla': { u32: 32 } }, 'attention.key_length_mla is 32, expected an integer from 33'],
] as const)('%j contradicts itself', async (entries, reason) => {
  const spec: RandomModelSpec = modelVariants.deepseek2;
  await expect(read({ ...spec, entries: { ...spec.entries, ...entries } })).rejects.toMatchObject({
    code: 'MODEL_INVALID',
    message: expect.stringContaining(reason),
  });
});

test('layers without heads have a convolution, and a tail behind the keys and values of the others', async () => {
  const parameters = await read(modelVariants.lfm2);
  const { mixers, attention, convolutions } = parameters;
  expect(mixers.map((mixer) => 'taps' in mixer)).toEqual([true, true, false, true, true, false]);
  expect(attention.map(({ slot }) => slot)).toEqual([0, 1]);
  expect(convolutions).toEqual([0, 1, 2, 3].map((tail) => ({ taps: 3, channels: 128, tail })));
  const layout = new KvLayout(parameters, 'f16');
  expect(layout.bytesPerToken).toBe(2 * 2 * 2 * 32 * 2);
  expect(layout.tailBytes).toBe(4 * 2 * 128 * 4);
  // Padded to 32 tokens; a tail for any number of them.
  expect(layout.blockBytes(33)).toBe(64 * layout.bytesPerToken + layout.tailBytes);
  expect(layout.tailOffset(3, 33)).toBe(layout.blockBytes(33) - layout.tailBytes / 4);
  // Of a convolution: three maps of the input, the sum over tokens, a map back.
  const { heads, kvHeads, headDim, embeddingLength: d, feedForwardLength } = parameters;
  const attending = d * headDim * (2 * heads + 2 * kvHeads);
  expect(linearWeights(parameters)).toBe(4 * d * (4 * d + 3) + 2 * attending + 6 * 3 * d * feedForwardLength);
  const first = parameters.mixers.slice(0, 2);
  expect(new KvLayout({ ...parameters, ...mixersOf(first) }, 'f16')).toMatchObject({ slots: [], bytesPerToken: 0 });
});

test.each([
  [{ 'shortconv.l_cache': { u32: 1 } }, 'shortconv.l_cache is 1, expected an integer from 2 to 8'],
  [{ 'shortconv.l_cache': { u32: 4096 } }, 'shortconv.l_cache is 4096, expected an integer from 2 to 8'],
  [{ 'attention.head_count_kv': { u32: 0 } }, 'attention.head_count_kv is [0, 0, 0, 0, 0, 0], expected an array'],
] as const)('lfm2 with %j contradicts itself', async (entries, reason) => {
  await expect(read({ ...modelVariants.lfm2, entries })).rejects.toMatchObject({
    code: 'MODEL_INVALID',
    message: expect.stringContaining(reason),
  });
});

test('layers are described by what their file says', async () => {
  const gemma = await read({ family: 'gemma2', layers: 4, slidingWindow: 16, caps: { logits: 20, scores: 10 } });
  expect(gemma.attention.map(({ window }) => window)).toEqual([16, 0, 16, 0]);
  expect(gemma.attention.every(({ softcap }) => softcap === 10)).toBe(true);
  expect(gemma.logitSoftcap).toBe(20);
  const mixture = await read({ family: 'qwen2moe', experts: { count: 5, used: 3 }, embedding: 64, feedForward: 96 });
  expect(mixture.experts).toMatchObject({ count: 5, used: 3, feedForwardLength: 96, sharedLength: 128, scale: 1 });
  const sunk = await read({ family: 'gpt-oss', layers: 2 });
  expect(sunk.attention.map(({ window }) => window)).toEqual([8, 0]);
  expect(sunk.experts).toMatchObject({ count: 6, used: 2, routing: 'chosen' });
});
