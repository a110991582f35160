/**
 * A Llama-family model with seeded random weights, ready to be trained from nothing. The same shape and seed give the
 * same file.
 */
import { type GgufEntry, type GgufTensorSource, writeGguf } from '../../ggml/gguf/gguf-writer.ts';
import { TensorType } from '../../ggml/graph/tensor.ts';
import { createNormal } from './random.ts';

export interface InitialModelShape {
  readonly layers: number;
  readonly embedding: number;
  readonly heads: number;
  /** Defaults to `heads`. */
  readonly kvHeads?: number | undefined;
  /** Width of the feed-forward layers. Defaults to 8/3 of the embedding, rounded up to a multiple of 32. */
  readonly feedForward?: number | undefined;
  readonly contextTokens: number;
  /** Defaults to 10,000. Small models learn to look things up sooner at a small one, such as 100. */
  readonly ropeBase?: number | undefined;
  /** Use the embedding as head too. Defaults to true. */
  readonly tiedHead?: boolean | undefined;
  /** Defaults to `block-attention`. */
  readonly name?: string | undefined;
}

export interface InitialVocabulary {
  /** `tokenizer.*` keys, and others such as a chat template. */
  readonly metadata: ReadonlyMap<string, GgufEntry>;
  readonly size: number;
}

/**
 * Matrices are normal with deviation 0.8/√inputs, those that write to the residual stream smaller by √(2 layers), as in
 * GPT-2; the embedding has 0.8/√width when it is the head too, else 1.
 */
export async function writeInitialModel(
  path: string,
  shape: InitialModelShape,
  vocabulary: InitialVocabulary,
  seed: number,
): Promise<void> {
  const { layers, embedding: d, heads, kvHeads = heads, contextTokens, ropeBase = 10_000, tiedHead = true } = shape;
  const feedForward = shape.feedForward ?? Math.ceil((d * 8) / 3 / 32) * 32;
  const headDim = d / heads;
  const normal = createNormal(seed);
  const tensor = (name: string, ne: number[], values: Float32Array): GgufTensorSource => ({
    name: `${name}.weight`,
    type: TensorType.F32,
    ne,
    data: () => new Uint8Array(values.buffer),
  });
  const matrix = (name: string, input: number, output: number, gain = 1) =>
    tensor(name, [input, output], normal(input * output, (0.8 * gain) / Math.sqrt(input)));
  const norm = (name: string) => tensor(name, [d], new Float32Array(d).fill(1));
  const residual = 1 / Math.sqrt(2 * layers);
  const tensors = [
    tensor('token_embd', [d, vocabulary.size], normal(d * vocabulary.size, tiedHead ? 0.8 / Math.sqrt(d) : 1)),
    norm('output_norm'),
    ...(tiedHead ? [] : [matrix('output', d, vocabulary.size)]),
    ...Array.from({ length: layers }, (_, layer) => {
      const at = (name: string) => `blk.${layer}.${name}`;
      return [
        norm(at('attn_norm')),
        matrix(at('attn_q'), d, d),
        matrix(at('attn_k'), d, kvHeads * headDim),
        matrix(at('attn_v'), d, kvHeads * headDim),
        matrix(at('attn_output'), d, d, residual),
        norm(at('ffn_norm')),
        matrix(at('ffn_gate'), d, feedForward),
        matrix(at('ffn_up'), d, feedForward),
        matrix(at('ffn_down'), feedForward, d, residual),
      ];
    }).flat(),
  ];
  const metadata = new Map<string, GgufEntry>([
    ['general.architecture', { string: 'llama' }],
    ['general.name', { string: shape.name ?? 'block-attention' }],
    ['llama.block_count', { u32: layers }],
    ['llama.context_length', { u32: contextTokens }],
    ['llama.embedding_length', { u32: d }],
    ['llama.feed_forward_length', { u32: feedForward }],
    ['llama.attention.head_count', { u32: heads }],
    ['llama.attention.head_count_kv', { u32: kvHeads }],
    ['llama.attention.layer_norm_rms_epsilon', { f32: 1e-5 }],
    ['llama.rope.freq_base', { f32: ropeBase }],
    ['llama.rope.dimension_count', { u32: headDim }],
    ['llama.vocab_size', { u32: vocabulary.size }],
    ...vocabulary.metadata,
  ]);
  await writeGguf(path, metadata, tensors);
}
