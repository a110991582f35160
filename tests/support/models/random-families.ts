/**
 * What the files of each family have, as llama.cpp reads them: which norms, biases and maps, and which keys. Written from
 * the names in its pinned release; a model that it does not load fails every test of the family.
 */
import type { GgufEntry } from '../../../packages/engine/src/ggml/gguf/gguf-writer.ts';

export interface FamilyTraits {
  /** Defaults to byte-level BPE. */
  readonly vocabulary?: 'spm';
  /** LayerNorm; `biased` with a bias. Defaults to the root mean square. */
  readonly layerNorm?: 'plain' | 'biased';
  /**
   * Where a layer normalises: `before` both parts; before and after (`both`); `after` both; before attention alone, whose
   * input the feed-forward reads too (`parallel`); before both, the second one called the norm after attention
   * (`renamed`). Defaults to `before`.
   */
  readonly norms?: 'both' | 'after' | 'parallel' | 'renamed';
  /** Norms of queries and keys. Defaults to none. */
  readonly queryKeyNorm?: 'head' | 'whole' | 'each';
  readonly attentionBias?: boolean;
  /** Biases on the attention's output and the feed-forward. */
  readonly outputBias?: boolean;
  readonly headBias?: boolean;
  readonly fusedQkv?: boolean;
  /** Gate and up in one map. */
  readonly fusedUp?: boolean;
  readonly ungated?: boolean;
  readonly sinks?: boolean;
  /** Whether all files have the head in the embedding. */
  readonly tied?: boolean;
  /** Whether layers have sliding windows, by turns: always, or where the spec gives a width. */
  readonly sliding?: 'always' | 'asked';
  /** Whether there are experts: always, or where the spec gives some. */
  readonly experts?: 'always' | 'asked';
  /** Whether an expert is as wide as `feed_forward_length` says, and there is no key of its own. */
  readonly expertsAsWide?: boolean;
  /** What every token meets besides. */
  readonly shared?: 'gated' | 'plain' | 'layer';
  /** Experts' widths that this is wide, where files count them. Defaults to a width of its own. */
  readonly sharedCount?: number;
  /** Whether keys and values are maps of a latent. */
  readonly latent?: boolean;
  /** Whether layers without heads of keys and values have a short convolution. */
  readonly convolutions?: boolean;
  /** What the last norm is called. Defaults to `output_norm`. */
  readonly outputNorm?: string;
  /** Biases of the router and the experts. */
  readonly expertBias?: boolean;
  readonly choiceBias?: boolean;
  /** Layers after the last that the model's file counts and does not need. */
  readonly ahead?: number;
  /** Share of a head's dimensions that are rotated. Defaults to all. */
  readonly rotated?: number;
  /** Keys of the family's own, without the architecture before them. */
  readonly entries?: Readonly<Record<string, GgufEntry>>;
}

const graniteFactors: Readonly<Record<string, GgufEntry>> = {
  logit_scale: { f32: 1.5 },
  residual_scale: { f32: 0.7 },
  embedding_scale: { f32: 1.3 },
  'attention.scale': { f32: 0.2 },
};

/** Of 8 pairs of dimensions one after the other, and of 16 by turns. */
const sections: Readonly<Record<string, GgufEntry>> = {
  'rope.dimension_sections': { array: { i32: [2, 3, 3, 0] } },
};
const turns: Readonly<Record<string, GgufEntry>> = {
  'rope.dimension_sections': { array: { i32: [6, 5, 5, 0] } },
};

export const familyTraits = {
  llama: { vocabulary: 'spm', experts: 'asked', expertsAsWide: true },
  qwen2: { attentionBias: true },
  qwen3: { queryKeyNorm: 'head' },
  smollm3: {},
  gemma: { vocabulary: 'spm', tied: true },
  gemma2: { vocabulary: 'spm', norms: 'both', sliding: 'always' },
  gemma3: { vocabulary: 'spm', norms: 'both', queryKeyNorm: 'head', sliding: 'always' },
  gemma4: {
    vocabulary: 'spm',
    norms: 'both',
    queryKeyNorm: 'head',
    sliding: 'always',
    tied: true,
    experts: 'asked',
    shared: 'layer',
  },
  phi3: { vocabulary: 'spm', fusedQkv: true, fusedUp: true },
  'gpt-oss': {
    norms: 'renamed',
    attentionBias: true,
    sinks: true,
    sliding: 'always',
    experts: 'always',
    expertBias: true,
  },
  qwen3moe: { queryKeyNorm: 'head', experts: 'always' },
  qwen2moe: { attentionBias: true, experts: 'always', shared: 'gated' },
  // llama.cpp does not read this family's epsilon and takes 0.
  qwen2vl: {
    attentionBias: true,
    entries: { ...sections, 'attention.layer_norm_rms_epsilon': { f32: 1e-12 } },
  },
  qwen3vl: { queryKeyNorm: 'head', entries: turns },
  qwen3vlmoe: { queryKeyNorm: 'head', experts: 'always', entries: turns },
  mistral3: { entries: { 'attention.temperature_scale': { f32: 0.1 } } },
  granite: { entries: graniteFactors },
  granitemoe: { experts: 'always', expertsAsWide: true, shared: 'plain', entries: graniteFactors },
  olmo2: { norms: 'after', queryKeyNorm: 'whole', sliding: 'asked' },
  olmoe: { queryKeyNorm: 'whole', experts: 'always', expertsAsWide: true },
  'command-r': { layerNorm: 'plain', norms: 'parallel', tied: true, entries: { logit_scale: { f32: 0.5 } } },
  cohere2: {
    layerNorm: 'plain',
    norms: 'parallel',
    tied: true,
    sliding: 'always',
    entries: { logit_scale: { f32: 0.5 } },
  },
  glm4: { norms: 'both', attentionBias: true, fusedUp: true, rotated: 0.5 },
  glm4moe: {
    norms: 'renamed',
    attentionBias: true,
    rotated: 0.5,
    experts: 'always',
    shared: 'plain',
    sharedCount: 1,
    choiceBias: true,
    // The last layer of the file predicts a token ahead and does not run.
    ahead: 1,
    entries: {
      expert_gating_func: { u32: 2 },
      expert_weights_norm: { bool: true },
      expert_weights_scale: { f32: 1.5 },
      leading_dense_block_count: { u32: 1 },
    },
  },
  exaone4: { norms: 'after', queryKeyNorm: 'head' },
  ernie4_5: {},
  'ernie4_5-moe': {
    experts: 'always',
    shared: 'plain',
    choiceBias: true,
    entries: { leading_dense_block_count: { u32: 1 }, interleave_moe_layer_step: { u32: 1 } },
  },
  seed_oss: { norms: 'renamed', attentionBias: true },
  nemotron: { layerNorm: 'biased', ungated: true, rotated: 0.5 },
  starcoder2: { layerNorm: 'biased', ungated: true, attentionBias: true, outputBias: true },
  falcon: { layerNorm: 'biased', norms: 'parallel', ungated: true, fusedQkv: true },
  phi2: {
    layerNorm: 'biased',
    norms: 'parallel',
    ungated: true,
    attentionBias: true,
    outputBias: true,
    headBias: true,
    rotated: 0.5,
  },
  deepseek2: {
    latent: true,
    experts: 'asked',
    shared: 'plain',
    sharedCount: 2,
    entries: { expert_weights_scale: { f32: 1.5 } },
  },
  mistral4: {
    latent: true,
    experts: 'always',
    shared: 'plain',
    sharedCount: 1,
    entries: { 'attention.temperature_scale': { f32: 0.1 }, 'attention.temperature_length': { u32: 40 } },
  },
  'hunyuan-dense': { queryKeyNorm: 'head' },
  'hunyuan-moe': {
    queryKeyNorm: 'head',
    experts: 'always',
    expertsAsWide: true,
    shared: 'plain',
    // Required, and not what experts are as wide as.
    entries: { expert_feed_forward_length: { u32: 128 } },
  },
  smallthinker: {
    sliding: 'asked',
    experts: 'always',
    entries: { expert_gating_func: { u32: 2 } },
  },
  bailingmoe: { experts: 'always', shared: 'plain', sharedCount: 2, entries: { expert_weights_norm: { bool: true } } },
  bailingmoe2: {
    queryKeyNorm: 'head',
    fusedQkv: true,
    rotated: 0.5,
    experts: 'always',
    shared: 'plain',
    sharedCount: 2,
    choiceBias: true,
    entries: {
      expert_gating_func: { u32: 2 },
      expert_weights_norm: { bool: true },
      expert_weights_scale: { f32: 2.5 },
      leading_dense_block_count: { u32: 1 },
    },
  },
  stablelm: { layerNorm: 'biased', attentionBias: true, rotated: 0.25 },
  lfm2: { queryKeyNorm: 'head', convolutions: true, outputNorm: 'token_embd_norm', sliding: 'asked' },
  lfm2moe: {
    queryKeyNorm: 'head',
    convolutions: true,
    outputNorm: 'token_embd_norm',
    experts: 'always',
    choiceBias: true,
    entries: { expert_gating_func: { u32: 2 } },
  },
} as const satisfies Record<string, FamilyTraits>;

export type Family = keyof typeof familyTraits;
