/** What is refused as an adapter, and how it is said. What an adapter computes: tests/adapter.test.ts. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type RandomAdapterSpec, writeRandomAdapter } from '../../../../../tests/support/models/random-adapter.ts';
import { writeRandomModel } from '../../../../../tests/support/models/random-model.ts';
import type { ErrorCode } from '../../errors.ts';
import { Backend } from '../../ggml/device/backend.ts';
import type { GgufTensorSource } from '../../ggml/gguf/gguf-writer.ts';
import { TensorType } from '../../ggml/graph/tensor.ts';
import { Model } from '../model.ts';
import { adapterIdentity } from './adapter.ts';

const folder = mkdtempSync(join(tmpdir(), 'block-attention-adapter-'));
const [model, good] = [join(folder, 'model.gguf'), join(folder, 'good.gguf')];
let backend: Backend;
beforeAll(async () => {
  await writeRandomModel(model, { family: 'llama', layers: 2, tiedHead: true }, 1);
  await writeRandomAdapter(good, model, 2);
  backend = await Backend.open({ device: 'cpu', threads: 1 });
});
afterAll(() => {
  backend.dispose();
  rmSync(folder, { recursive: true });
});

async function refusal(path: string, scale?: number): Promise<{ code?: ErrorCode; message?: string }> {
  try {
    const loaded = await Model.load(model, backend, { adapter: { path, scale } });
    loaded.dispose();
    return {};
  } catch (error) {
    return error as Error & { code: ErrorCode };
  }
}

let files = 0;
async function refusedFile(spec: RandomAdapterSpec) {
  const path = join(folder, `bad-${files++}.gguf`);
  await writeRandomAdapter(path, model, 3, spec);
  return refusal(path);
}

/** The first factor under another name, or of another shape. */
const first = (change: Partial<GgufTensorSource>) => (all: GgufTensorSource[]) =>
  all.map((tensor, i) => (i === 0 ? { ...tensor, ...change } : tensor));
const zeros = (columns: number, rows: number) => ({
  ne: [columns, rows],
  data: () => new Uint8Array(4 * columns * rows),
});
const nan = () => new Uint8Array(new Float32Array(64 * 4).fill(Number.NaN).buffer);

describe('an adapter', () => {
  it('is taken, and given back with the model', async () => {
    const loaded = await Model.load(model, backend, { adapter: { path: good, scale: 2 } });
    expect(loaded.adapter).toMatchObject({ path: good, scale: 2, rank: 4 });
    expect(loaded.firstLayers(1).weights.layers[0]?.mixer.output.adapter).toBeDefined();
    loaded.dispose();
    expect(await refusal(good)).toEqual({});
  });

  it.each<[string, RandomAdapterSpec, RegExp]>([
    ['of no adapter type', { metadata: { 'general.type': { string: 'model' } } }, /is not an adapter but a model/],
    ['of another kind', { metadata: { 'adapter.type': { string: 'control' } } }, /of type control: only "lora"/],
    [
      'for another architecture',
      { metadata: { 'general.architecture': { string: 'qwen2' } } },
      /is for architecture "qwen2", .*model\.gguf is "llama"/,
    ],
    [
      'that waits for tokens',
      { metadata: { 'adapter.alora.invocation_tokens': { array: { u32: [1] } } } },
      /activated LoRA/,
    ],
    ['with an alpha that is not a number', { metadata: { 'adapter.lora.alpha': { f32: Number.NaN } } }, /alpha is NaN/],
    ['without tensors', { tensors: () => [] }, /has no tensors/],
    [
      'for a layer that does not exist',
      {
        tensors: (all) => all.map((tensor) => ({ ...tensor, name: tensor.name.replace('blk.1.', 'blk.7.') })),
      },
      /changes blk\.7\..*\.weight, which .*model\.gguf does not have/,
    ],
    [
      'for the embedding',
      {
        tensors: (all) =>
          all.map((tensor) => ({
            ...tensor,
            name: tensor.name.replace(/^blk\.0\.attn_q\.weight/, 'token_embd.weight'),
          })),
      },
      /changes token_embd\.weight, which is not applied while running: merge/,
    ],
    ['with half a pair', { tensors: (all) => all.slice(1) }, /\.lora_b has no counterpart/],
    ['with other tensors', { tensors: first({ name: 'blk.0.attn_norm.weight' }) }, /attn_norm\.weight is not a factor/],
    ['of other inputs', { tensors: first(zeros(32, 4)) }, /are \[32,4\] and \[4,.*the model's matrix is \[64,/],
    ['of two ranks', { tensors: first(zeros(64, 5)) }, /are \[64,5\] and \[4,/],
    ['with integers', { tensors: first({ type: TensorType.I32 }) }, /not finite numbers/],
    ['with values that are no numbers', { tensors: first({ data: nan }) }, /\.lora_a holds values that are not finite/],
  ])('%s is refused', async (_, spec, message) => {
    const { code, message: said } = await refusedFile(spec);
    expect(said).toMatch(message);
    expect(code).toBe('ADAPTER_INVALID');
  });

  it('that is missing, a folder, no GGUF or cut short is refused', async () => {
    expect(await refusal(join(folder, 'none.gguf'))).toMatchObject({ code: 'MODEL_NOT_FOUND' });
    expect((await refusal(folder)).message).toMatch(/adapter .* cannot be opened: give the path of a LoRA GGUF/);
    const [text, short] = [join(folder, 'text.gguf'), join(folder, 'short.gguf')];
    writeFileSync(text, 'not an adapter');
    expect(await refusal(text)).toMatchObject({ code: 'ADAPTER_INVALID' });
    const bytes = readFileSync(good);
    for (const length of [20, bytes.length >> 3, bytes.length - 100]) {
      writeFileSync(short, bytes.subarray(0, length));
      expect(await refusal(short)).toMatchObject({ code: 'ADAPTER_INVALID' });
    }
    expect((await refusal(model)).message).toMatch(/is not an adapter but a model: give it as the model/);
  });

  it.each([Number.NaN, Number.POSITIVE_INFINITY, 1e39])('scaled by %d is refused', async (scale) => {
    const { code, message } = await refusal(good, scale);
    expect(message).toContain(`good.gguf is ${scale}: give a number`);
    expect(code).toBe('INVALID_ARGUMENT');
  });

  it('is identified by its bytes and scale', async () => {
    const memory = join(folder, 'digests');
    const copy = join(folder, 'copy.gguf');
    writeFileSync(copy, readFileSync(good));
    const identity = await adapterIdentity({ path: good }, memory);
    expect(identity).toMatch(/^[0-9a-f]{64}$/);
    expect(await adapterIdentity({ path: copy, scale: 1 }, memory)).toBe(identity);
    expect(await adapterIdentity({ path: good, scale: 0.5 }, memory)).toBe(`${identity} x 0.5`);
    await writeRandomAdapter(copy, model, 9);
    expect(await adapterIdentity({ path: copy }, memory)).not.toBe(identity);
  });
});
