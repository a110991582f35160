import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { writeRandomModel } from '../../../tests/support/models/random-model.ts';
import { type GgufFile, openGguf } from '../../ggml/gguf/gguf-file.ts';
import { readHyperParameters } from '../architecture/hyper-parameters.ts';
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
  ['lfm2', {}, [], 'short convolutions'],
  ['gemma4-assistant', {}, [], 'predicts tokens for another model'],
  ['cogvlm-vl', {}, [], 'it reads images'],
  ['deepseek2', {}, [], 'latent attention (MLA)'],
  ['nomic-bert', {}, [], 'it is an encoder'],
  ['t5', {}, [], 'not a decoder-only'],
  ['gpt2', {}, [], 'absolute or learned'],
  ['dbrx', {}, [], 'no forward graph is written for it'],
  ['toString', {}, [], 'no forward graph is written for it'],
  ['gemma3', { 'gemma3.expert_count': 8 }, [], 'routes over 8 experts'],
  ['llama', { 'llama.expert_count': 8, 'llama.expert_group_count': 4 }, [], 'llama.expert_group_count is 4'],
  ['llama', { 'llama.attention.causal': false }, [], 'not causal'],
  ['llama', {}, ['blk.0.ssm_in.weight'], 'tensor blk.0.ssm_in.weight'],
  ['llama', {}, ['position_embd.weight'], 'tensor position_embd.weight'],
] as const)('%s %j %j is refused: %s', (architecture, values, tensors, reason) => {
  expect(() => familyOf(architecture, file(values, tensors))).toThrow(
    expect.objectContaining({ code: 'MODEL_UNSUPPORTED', message: expect.stringContaining(reason) }),
  );
});

test.each(Object.keys(families))('%s is accepted', (architecture) => {
  expect(familyOf(architecture, file({}))).toBe(families[architecture]);
});

test('layers are described by what their file says', async () => {
  const read = async (spec: Parameters<typeof writeRandomModel>[1]) => {
    const path = join(folder, `${spec.family}.gguf`);
    await writeRandomModel(path, spec, 1);
    return readHyperParameters(await openGguf(path));
  };
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
