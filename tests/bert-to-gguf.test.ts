/** The converter of embedding models, from the makers' files to vectors. */
import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openEmbeddingModel } from '@block-attention/engine/internal/ggml';
import { afterAll, expect, it } from 'vitest';
import { encodeByDefinition, encoderShape, vocabulary, writeRandomEncoder } from './support/models/random-encoder.ts';

const folder = mkdtempSync(join(tmpdir(), 'block-attention-bert-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const { embedding, heads, layers, feedForward, context, epsilon } = encoderShape;
const names: Readonly<Record<string, string>> = {
  'token_embd.weight': 'embeddings.word_embeddings.weight',
  'position_embd.weight': 'embeddings.position_embeddings.weight',
  'token_types.weight': 'embeddings.token_type_embeddings.weight',
  token_embd_norm: 'embeddings.LayerNorm',
  attn_q: 'attention.self.query',
  attn_k: 'attention.self.key',
  attn_v: 'attention.self.value',
  attn_output: 'attention.output.dense',
  attn_output_norm: 'attention.output.LayerNorm',
  ffn_up: 'intermediate.dense',
  ffn_down: 'output.dense',
  layer_output_norm: 'output.LayerNorm',
};
const rows: Readonly<Record<string, number>> = {
  token_embd: vocabulary.length,
  position_embd: context,
  token_types: 2,
};

/** The random encoder as its makers would publish it. */
async function publish(): Promise<Awaited<ReturnType<typeof writeRandomEncoder>>> {
  const weights = await writeRandomEncoder(join(folder, 'random.gguf'), 11);
  const header: Record<string, object> = {};
  const data: Buffer[] = [];
  let at = 0;
  const add = (name: string, own: string, shape: readonly number[]) => {
    const values = weights.get(own);
    data.push(Buffer.from(values.buffer, values.byteOffset, values.byteLength));
    header[name] = { dtype: 'F32', shape, data_offsets: [at, at + values.byteLength] };
    at += values.byteLength;
  };
  for (const [name, count] of Object.entries(rows)) {
    add(`bert.${names[`${name}.weight`]}`, `${name}.weight`, [count, embedding]);
  }
  const both = (name: string, own: string, shape: readonly number[]) => {
    add(`bert.${name}.weight`, `${own}.weight`, shape);
    add(`bert.${name}.bias`, `${own}.bias`, [shape[0] ?? 0]);
  };
  both('embeddings.LayerNorm', 'token_embd_norm', [embedding]);
  for (let layer = 0; layer < layers; layer++) {
    for (const [own, name] of Object.entries(names).slice(4)) {
      const wide =
        own === 'ffn_up' ? [feedForward, embedding] : [embedding, own === 'ffn_down' ? feedForward : embedding];
      both(`encoder.layer.${layer}.${name}`, `blk.${layer}.${own}`, own.endsWith('norm') ? [embedding] : wide);
    }
  }
  const json = Buffer.from(JSON.stringify({ ...header, __metadata__: { format: 'pt' } }));
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(json.length));
  writeFileSync(join(folder, 'model.safetensors'), Buffer.concat([length, json, ...data]));
  const config = {
    model_type: 'bert',
    num_hidden_layers: layers,
    max_position_embeddings: context,
    hidden_size: embedding,
    intermediate_size: feedForward,
    num_attention_heads: heads,
    layer_norm_eps: epsilon,
    type_vocab_size: 2,
  };
  writeFileSync(join(folder, 'config.json'), JSON.stringify(config));
  const tokens = vocabulary.map((token) => (token.startsWith('▁') ? token.slice(1) : token));
  writeFileSync(join(folder, 'vocab.txt'), `${tokens.join('\n')}\n`);
  mkdirSync(join(folder, '1_Pooling'));
  writeFileSync(join(folder, '1_Pooling', 'config.json'), JSON.stringify({ pooling_mode_mean_tokens: true }));
  return weights;
}

it('gives a GGUF whose vectors are those of the weights', async () => {
  const weights = await publish();
  const out = join(folder, 'out.gguf');
  const script = join(import.meta.dirname, '..', 'scripts', 'bert-to-gguf.ts');
  execFileSync(process.execPath, ['--import', 'tsx', script, folder, out, '--type', 'f32']);
  await using model = await openEmbeddingModel(out, { threads: 1 });
  expect(model).toMatchObject({ pooling: 'mean', dimensions: embedding });
  const words = ['the', 'harbour', 'key'];
  const ids = [2, ...words.map((word) => vocabulary.indexOf(`▁${word}`)), 3];
  const expected = encodeByDefinition(weights, ids);
  const vector = await model.embed(words.join(' '));
  // gelu is looked up in a table of halves.
  for (const [i, value] of expected.entries()) expect(vector[i]).toBeCloseTo(value, 2);
});
