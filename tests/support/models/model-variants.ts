/** Every family and RoPE variant the engine promises to run, as small random models; and every type of weights. */
import { TensorType } from '../../../packages/engine/src/ggml/graph/tensor.ts';
import { type FamilyTraits, familyTraits } from './random-families.ts';
import type { RandomModelSpec } from './random-model.ts';

export const modelVariants = {
  llama: { family: 'llama' },
  'llama, tied head': { family: 'llama', tiedHead: true },
  'llama, biases': { family: 'llama', attentionBias: true, outputBias: true },
  'llama, no shared heads': { family: 'llama', heads: 4, kvHeads: 4 },
  'llama, one kv head': { family: 'llama', heads: 4, kvHeads: 1 },
  'llama, wide heads': { family: 'llama', headDim: 32 },
  'llama, linear rope': { family: 'llama', ropeScaling: { type: 'linear', factor: 4 } },
  'llama, yarn': { family: 'llama', ropeScaling: { type: 'yarn', factor: 4, originalContext: 64 } },
  'llama 3.1': {
    family: 'llama',
    ropeBase: 500_000,
    tiedHead: true,
    vocabulary: 'bpe',
    ropeScaling: { type: 'llama3', factor: 8, originalContext: 64 },
  },
  mistral: { family: 'llama', ropeBase: 1_000_000, headDim: 32, feedForward: 224 },
  qwen2: { family: 'qwen2', ropeBase: 1_000_000, tiedHead: true },
  'qwen2, yarn': { family: 'qwen2', ropeScaling: { type: 'yarn', factor: 4, originalContext: 64 } },
  qwen3: { family: 'qwen3', headDim: 32, ropeBase: 1_000_000, tiedHead: true },
  smollm3: { family: 'smollm3', layers: 5, ropeBase: 2_000_000, tiedHead: true },
  gemma3: { family: 'gemma3', layers: 7, headDim: 32, ropeBase: 1_000_000, tiedHead: true },
  'gemma3, linear rope': {
    family: 'gemma3',
    layers: 7,
    ropeBase: 1_000_000,
    slidingRopeBase: 5_000,
    slidingWindow: 16,
    ropeScaling: { type: 'linear', factor: 8 },
  },
  phi3: { family: 'phi3', kvHeads: 4 },
  'phi3, partial rope': { family: 'phi3', ropeDims: 12 },
  gemma2: { family: 'gemma2', layers: 4, headDim: 32, tiedHead: true },
  'gemma2, tight caps': {
    family: 'gemma2',
    layers: 4,
    tiedHead: true,
    slidingWindow: 16,
    caps: { logits: 8, scores: 3 },
  },
  'gpt-oss': {
    family: 'gpt-oss',
    layers: 4,
    headDim: 32,
    slidingWindow: 12,
    ropeBase: 150_000,
    ropeScaling: { type: 'yarn', factor: 4, originalContext: 64 },
  },
  qwen3moe: { family: 'qwen3moe', headDim: 32, ropeBase: 1_000_000 },
  'qwen3moe, many experts': { family: 'qwen3moe', headDim: 32, experts: { count: 32, used: 8 }, feedForward: 32 },
  qwen2moe: { family: 'qwen2moe', ropeBase: 1_000_000 },
  mixtral: { family: 'llama', experts: { count: 8, used: 2 } },
  gemma: { family: 'gemma', headDim: 32 },
  // E2B and E4B: inputs of each layer's own, states shared by the last layers; heads of two kinds.
  gemma4: {
    family: 'gemma4',
    layers: 9,
    headDim: 32,
    kvHeads: 1,
    slidingHeads: { kvHeads: 2, headDim: 16 },
    borrowingLayers: 3,
    tokenInput: 16,
    ropeBase: 1_000_000,
    ropeScaling: { type: 'proportional', share: 0.25 },
  },
  'gemma4 with experts': {
    family: 'gemma4',
    layers: 3,
    headDim: 32,
    experts: { count: 8, used: 2 },
    keysAsValues: true,
    slidingWindow: 12,
    ropeScaling: { type: 'proportional', share: 1 },
  },
  qwen2vl: { family: 'qwen2vl' },
  qwen3vl: { family: 'qwen3vl', headDim: 32 },
  qwen3vlmoe: { family: 'qwen3vlmoe', headDim: 32 },
  'glm4, sections': {
    family: 'glm4',
    headDim: 32,
    entries: { 'rope.dimension_sections': { array: { i32: [2, 3, 3, 0] } } },
  },
  mistral3: {
    family: 'mistral3',
    headDim: 32,
    ropeScaling: { type: 'yarn', factor: 4, originalContext: 64 },
    entries: { 'rope.scaling.yarn_log_multiplier': { f32: 1 }, 'rope.scaling.yarn_beta_fast': { f32: 16 } },
  },
  granite: { family: 'granite', tiedHead: true },
  'granite, no rope': { family: 'granite', entries: { 'rope.scaling.finetuned': { bool: false } } },
  granitemoe: { family: 'granitemoe' },
  olmo2: { family: 'olmo2' },
  olmo3: {
    family: 'olmo2',
    layers: 4,
    slidingWindow: 12,
    ropeScaling: { type: 'yarn', factor: 4, originalContext: 64 },
  },
  olmoe: { family: 'olmoe', kvHeads: 4, experts: { count: 8, used: 3 } },
  'command-r': { family: 'command-r' },
  cohere2: { family: 'cohere2', layers: 4, slidingWindow: 12 },
  glm4: { family: 'glm4' },
  glm4moe: { family: 'glm4moe', denseLayers: 1 },
  exaone4: { family: 'exaone4' },
  ernie4_5: { family: 'ernie4_5', tiedHead: true },
  'ernie4_5-moe': { family: 'ernie4_5-moe', denseLayers: 1 },
  seed_oss: { family: 'seed_oss', headDim: 32 },
  nemotron: { family: 'nemotron' },
  starcoder2: { family: 'starcoder2', tiedHead: true },
  falcon: { family: 'falcon', kvHeads: 1 },
  'falcon 40b': { family: 'falcon', twoInputs: true },
  phi2: { family: 'phi2', kvHeads: 4 },
  stablelm: { family: 'stablelm' },
  'stablelm 12b': { family: 'stablelm', norms: 'parallel', queryKeyNorm: 'each' },
  // V3 and R1: queries through a map of low rank, groups of experts, a bias of the choice, YaRN.
  deepseek2: {
    family: 'deepseek2',
    latent: { rank: 64, rotated: 32, plain: 24, output: 20, queryRank: 40 },
    experts: { count: 16, used: 3 },
    denseLayers: 1,
    choiceBias: true,
    ropeScaling: { type: 'yarn', factor: 4, originalContext: 64 },
    entries: {
      expert_group_count: { u32: 4 },
      expert_group_used_count: { u32: 2 },
      expert_gating_func: { u32: 2 },
      expert_weights_norm: { bool: true },
      leading_dense_block_count: { u32: 1 },
      'rope.scaling.yarn_log_multiplier': { f32: 0.0707 },
    },
  },
  'deepseek2, dense': {
    family: 'deepseek2',
    layers: 4,
    heads: 16,
    headDim: 32,
    latent: { rank: 64, rotated: 32, plain: 16, output: 16, queryRank: 32 },
    entries: { leading_dense_block_count: { u32: 4 }, expert_feed_forward_length: { u32: 64 } },
  },
  mistral4: {
    family: 'mistral4',
    latent: { rank: 64, rotated: 32, plain: 24, output: 20, queryRank: 40 },
    ropeScaling: { type: 'yarn', factor: 4, originalContext: 64 },
    entries: { 'rope.scaling.yarn_log_multiplier': { f32: 0.2 } },
  },
  'hunyuan-dense': {
    family: 'hunyuan-dense',
    headDim: 32,
    tiedHead: true,
    entries: { 'rope.scaling.alpha': { f32: 50 } },
  },
  'hunyuan-dense, yarn': {
    family: 'hunyuan-dense',
    headDim: 32,
    ropeScaling: { type: 'yarn', factor: 4, originalContext: 64 },
  },
  'hunyuan-moe': { family: 'hunyuan-moe' },
  // llama.cpp takes a width of 4,096 whatever the file says.
  smallthinker: { family: 'smallthinker', layers: 5, slidingWindow: 4096 },
  'smallthinker, no windows': { family: 'smallthinker' },
  bailingmoe: { family: 'bailingmoe', experts: { count: 8, used: 3 } },
  bailingmoe2: {
    family: 'bailingmoe2',
    experts: { count: 16, used: 3 },
    denseLayers: 1,
    entries: { expert_group_count: { u32: 4 }, expert_group_used_count: { u32: 2 } },
  },
  // Every token meets every expert: nothing is chosen, so that states in 16 and 8 bits can be compared, too.
  'hunyuan-moe, all experts': { family: 'hunyuan-moe', headDim: 32, experts: { count: 3, used: 3 } },
  'smallthinker, all experts': { family: 'smallthinker', headDim: 32, experts: { count: 3, used: 3 } },
  'bailingmoe, all experts': { family: 'bailingmoe', headDim: 32, experts: { count: 3, used: 3 } },
  'mistral4, all experts': {
    family: 'mistral4',
    headDim: 32,
    latent: { rank: 64, rotated: 32, plain: 32, output: 32, queryRank: 32 },
    experts: { count: 3, used: 3 },
    ropeScaling: { type: 'yarn', factor: 4, originalContext: 64 },
    entries: { 'rope.scaling.yarn_log_multiplier': { f32: 0.2 } },
  },
  lfm2: {
    family: 'lfm2',
    layers: 6,
    embedding: 128,
    headDim: 32,
    feedForward: 160,
    tiedHead: true,
    convolutions: { layers: [0, 1, 3, 4], taps: 3 },
  },
  // A convolution last, whose inputs are stored and whose result is not computed while a passage is encoded.
  'lfm2, windows': {
    family: 'lfm2',
    layers: 5,
    slidingWindow: 12,
    ropeBase: 1_000_000,
    convolutions: { layers: [0, 2, 4], taps: 4 },
  },
  lfm2moe: {
    family: 'lfm2moe',
    layers: 4,
    tiedHead: true,
    experts: { count: 8, used: 3 },
    denseLayers: 1,
    convolutions: { layers: [0, 2], taps: 3 },
    entries: { leading_dense_block_count: { u32: 1 } },
  },
  'phi3, longrope': { family: 'phi3', ropeScaling: { type: 'longrope', originalContext: 256, attnFactor: 1.19 } },
} as const satisfies Record<string, RandomModelSpec>;

/** Whether tokens are routed over experts: to some of them. */
export function isRouted({ family, experts }: RandomModelSpec): boolean {
  const traits: FamilyTraits = familyTraits[family];
  if (experts !== undefined && experts.used === experts.count) return false;
  return experts !== undefined || traits.experts === 'always';
}

/** Whether layers have short convolutions, whose states are not one for each token. */
export function convolves({ convolutions }: RandomModelSpec): boolean {
  return convolutions !== undefined;
}

/** Whether ggml looks the activation up in a table of halves. */
export function usesGelu({ family }: RandomModelSpec): boolean {
  return family.startsWith('gemma') || ['starcoder2', 'falcon', 'phi2'].includes(family);
}

/** Where two experts are nearly as good for a token, rounding decides which is taken. */
export function choosesExperts({ family, experts }: RandomModelSpec): boolean {
  const traits: FamilyTraits = familyTraits[family];
  return experts !== undefined || traits.experts === 'always';
}

/** Rows whose attention is another row's: anchored and recomputed blocks are not compared with them once more. */
const familiarAttention: readonly string[] = [
  'smallthinker, no windows',
  'smallthinker, all experts',
  'bailingmoe2',
  'bailingmoe, all experts',
  'hunyuan-dense, yarn',
  'hunyuan-moe, all experts',
  'mistral4, all experts',
  'qwen2vl',
  'qwen3vl',
  'qwen3vlmoe',
  'glm4, sections',
  'granite',
  'granitemoe',
  'olmoe',
  'command-r',
  'glm4moe',
  'exaone4',
  'ernie4_5',
  'ernie4_5-moe',
  'seed_oss',
  'nemotron',
  'starcoder2',
  'falcon',
  'falcon 40b',
  'phi2',
  'stablelm',
  'stablelm 12b',
];

/** The rows that differ in how they attend. */
export const attentionVariants: Readonly<Record<string, RandomModelSpec>> = Object.fromEntries(
  Object.entries(modelVariants).filter(([name]) => !familiarAttention.includes(name)),
);

/** Of them those that an attention path reads: rows, one for each token, have no place for what convolutions keep. */
export function variantsOf(path: string): [string, RandomModelSpec][] {
  return Object.entries(attentionVariants).filter(([, spec]) => path !== 'gathered' || !convolves(spec));
}

/** Those whose tokens can be computed again. */
export const recomputedVariants: Readonly<Record<string, RandomModelSpec>> = Object.fromEntries(
  Object.entries(attentionVariants).filter(([, spec]) => !convolves(spec)),
);

/** What only models with many layers have: compared in full mode. */
export const deepVariants: Readonly<Record<string, RandomModelSpec>> = {
  'exaone4, windows': { family: 'exaone4', layers: 64, embedding: 32, heads: 2, kvHeads: 1, feedForward: 32 },
  // V2 Lite, with as many layers as llama.cpp knows it by, and as its files were before 2025.
  'deepseek2, lite': {
    family: 'deepseek2',
    layers: 26,
    embedding: 32,
    latent: { rank: 32, rotated: 16, plain: 16, output: 16, fused: true },
    experts: { count: 6, used: 2 },
    denseLayers: 1,
    entries: { leading_dense_block_count: { u32: 1 } },
  },
};

/** Mixtures of experts in the types that their files have. */
const expertVariants: Record<string, RandomModelSpec> = {
  'gpt-oss in MXFP4': { family: 'gpt-oss', layers: 2, headDim: 64, weights: TensorType.MXFP4 },
  'qwen3moe in Q4_K': { family: 'qwen3moe', layers: 2, embedding: 256, headDim: 64, weights: TensorType.Q4_K },
  'mixtral in Q8_0': { family: 'llama', layers: 2, experts: { count: 8, used: 2 }, weights: TensorType.Q8_0 },
  ...Object.fromEntries(
    Object.entries({
      // Seven matrices a layer, three of them experts': those meet in every pair over as many layers as there are types.
      'Q4_K, Q6_K and Q5_K': [TensorType.Q4_K, TensorType.Q6_K, TensorType.Q5_K],
      'MXFP4, Q8_0, Q4_1, Q5_0 and Q5_1': [
        TensorType.MXFP4,
        TensorType.Q8_0,
        TensorType.Q4_1,
        TensorType.Q5_0,
        TensorType.Q5_1,
      ],
    }).map(([name, mixed]): [string, RandomModelSpec] => [
      `mixtral in ${name} by turns`,
      {
        family: 'llama',
        layers: mixed.length,
        embedding: 256,
        feedForward: 256,
        experts: { count: 6, used: 2 },
        mixed,
      },
    ]),
  ),
};

/** Types of weights: plain ones, with 32 elements to a block, and with 256. */
export const weightVariants: Record<string, RandomModelSpec> = Object.assign(
  Object.fromEntries(
    (
      [
        'F32',
        'F16',
        'BF16',
        'Q8_0',
        'Q4_0',
        'Q4_1',
        'Q5_0',
        'Q5_1',
        'Q2_K',
        'Q3_K',
        'Q4_K',
        'Q5_K',
        'Q6_K',
        'IQ4_NL',
        'IQ4_XS',
      ] as const
    ).map((name): [string, RandomModelSpec] => [
      `llama in ${name}`,
      { family: 'llama', layers: 2, embedding: 256, feedForward: 512, weights: TensorType[name] },
    ]),
  ),
  Object.fromEntries(
    Object.entries({
      // Seven matrices a layer: so q, k and v, and gate and up, meet in every pair over the layers.
      'Q4_K, Q6_K and Q5_K': [TensorType.Q4_K, TensorType.Q6_K, TensorType.Q5_K],
      'Q5_0, Q8_0, Q4_1 and Q5_1': [TensorType.Q5_0, TensorType.Q8_0, TensorType.Q4_1, TensorType.Q5_1],
      'Q8_0, F16 and Q6_K': [TensorType.Q8_0, TensorType.F16, TensorType.Q6_K],
    }).map(([name, mixed]): [string, RandomModelSpec] => [
      `llama in ${name} by turns`,
      { family: 'llama', layers: 4, embedding: 256, feedForward: 512, weights: TensorType.Q8_0, mixed },
    ]),
  ),
  expertVariants,
);
