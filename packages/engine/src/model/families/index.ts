/**
 * The model families that run here, by their architecture names in GGUF files. What cannot run is refused with its
 * reason before any weight is read.
 */
import { BlockAttentionError } from '../../errors.ts';
import type { GgufFile } from '../../ggml/gguf/gguf-file.ts';
import { cohere2, commandR } from './cohere.ts';
import { ernie45, ernie45moe } from './ernie.ts';
import { exaone4 } from './exaone.ts';
import type { Family } from './family.ts';
import { gemma, gemma2, gemma3, gemma4 } from './gemma.ts';
import { glm4, glm4moe } from './glm.ts';
import { gptOss } from './gpt-oss.ts';
import { granite, granitemoe } from './granite.ts';
import { hunyuanDense, hunyuanMoe } from './hunyuan.ts';
import { falcon, nemotron, phi2, stablelm, starcoder2 } from './layer-norm.ts';
import { lfm2, lfm2moe } from './lfm2.ts';
import { llama, smollm3 } from './llama.ts';
import { mistral3 } from './mistral.ts';
import { bailingmoe, bailingmoe2 } from './mixtures/bailing.ts';
import { deepseek2, mistral4 } from './mixtures/deepseek.ts';
import { smallthinker } from './mixtures/smallthinker.ts';
import { olmo2, olmoe } from './olmo.ts';
import { phi3 } from './phi.ts';
import { qwen2, qwen2moe, qwen2vl, qwen3, qwen3moe, qwen3vl, qwen3vlmoe } from './qwen.ts';
import { seedOss } from './seed.ts';

export type { ExpertFeatures, Family, Routing, Shapes } from './family.ts';

export const families: Readonly<Record<string, Family>> = {
  llama,
  qwen2,
  qwen3,
  smollm3,
  gemma3,
  phi3,
  gemma,
  gemma2,
  gemma4,
  'gpt-oss': gptOss,
  qwen3moe,
  qwen2moe,
  qwen2vl,
  qwen3vl,
  qwen3vlmoe,
  mistral3,
  granite,
  granitemoe,
  olmo2,
  olmoe,
  cohere2,
  'command-r': commandR,
  glm4,
  glm4moe,
  exaone4,
  ernie4_5: ernie45,
  'ernie4_5-moe': ernie45moe,
  seed_oss: seedOss,
  nemotron,
  stablelm,
  starcoder2,
  falcon,
  phi2,
  deepseek2,
  mistral4,
  'hunyuan-dense': hunyuanDense,
  'hunyuan-moe': hunyuanMoe,
  smallthinker,
  bailingmoe,
  bailingmoe2,
  lfm2,
  lfm2moe,
};

const reasons: readonly (readonly [RegExp, string])[] = [
  [
    /mamba|rwkv|jamba|falcon-h1|nemotron_h|granitehybrid|plamo2|kimi|qwen3next|qwen35|arwkv|bailingmoe3|hybrid/,
    'it keeps a recurrent state, which is not computed per passage (docs/decisions/0006)',
  ],
  [/gemma4-assistant|eagle3|dflash/, 'it predicts tokens for another model'],
  [/vl$|vlmoe$|vision|ocr|clip/, 'it reads images: take the model of text alone'],
  [
    /deepseek32|deepseek4|glm-dsa|dots3note|minimax-m3/,
    'each query reads keys of its own choice, which an index of its own scores (sparse attention)',
  ],
  [/bert|embed|t5encoder|wavtokenizer/, 'it is an encoder: it generates no text'],
  [/^t5|clip|pockettts|tts/, 'it is not a decoder-only language model'],
  [
    /gpt2|gptj|mpt|bloom|starcoder$|refact|jais|gptneox$/,
    'its positions are absolute or learned, so a passage cannot be moved',
  ],
];

/** The family of an architecture. @throws MODEL_UNSUPPORTED with the reason. */
export function familyOf(architecture: string, file: GgufFile): Family {
  const family = families[architecture];
  const supported = Object.keys(families).join(', ');
  const refuse = (reason: string): never => {
    throw new BlockAttentionError(
      'MODEL_UNSUPPORTED',
      `${file.path}: architecture "${architecture}" cannot run in block mode: ${reason} (supported: ${supported})`,
    );
  };
  if (family === undefined || !Object.hasOwn(families, architecture)) {
    return refuse(reasons.find(([pattern]) => pattern.test(architecture))?.[1] ?? 'no forward graph is written for it');
  }
  const experts = file.value(`${architecture}.expert_count`);
  if (typeof experts === 'number' && experts > 1 && family.experts === undefined) {
    return refuse(`it routes over ${experts} experts (MoE), which files of this architecture do not`);
  }
  const some = family.experts?.someLayers === true;
  for (const key of some ? [] : ['leading_dense_block_count', 'interleave_moe_layer_step']) {
    const value = file.value(`${architecture}.${key}`);
    if (typeof value === 'number' && value > 1)
      return refuse(`${architecture}.${key} is ${value}, which it does not know`);
  }
  if (file.value(`${architecture}.attention.causal`) === false) return refuse('its attention is not causal');
  for (const name of file.tensors.keys()) {
    if (/\.ssm_|position_embd|^dense_2\./.test(name) || (family.latent !== true && name.includes('.attn_kv_a_mqa')))
      return refuse(`tensor ${name} belongs to a kind of layer that is not supported`);
  }
  return family;
}
