/**
 * The model families that run here, as features of one graph. Adding a family is adding an entry.
 *
 * Names are GGUF architecture names. What cannot run is refused with its reason before any weight is read.
 */
import { BlockAttentionError } from '../errors.ts';
import type { GgufFile } from '../ggml/gguf-file.ts';
import type { MetadataReader } from './hyper-parameters.ts';

export interface Shapes {
  readonly layers: number;
  readonly embeddingLength: number;
  readonly heads: number;
  readonly headDim: number;
}

export interface Family {
  /** Pairing of rotated dimensions: (2i, 2i+1) or (i, i + dims/2). */
  readonly ropePairs: 'norm' | 'neox';
  /** Every n-th layer has no rotary embedding (SmolLM3). */
  readonly nopePeriod?: number;
  /** Default period of layers with full attention among sliding-window ones; absent: the family has no window. */
  readonly slidingWindow?: number;
  /**
   * Layers with a sliding window rotate by a base of their own, this one unless the file says otherwise, and without
   * scaling. Absent: every layer rotates alike.
   */
  readonly slidingRopeBase?: number;
  /** Whether frequencies may have divisors, in a tensor of the file. Defaults to true. */
  readonly ropeFactors?: boolean;
  readonly activation: 'silu' | 'gelu';
  readonly scaledEmbeddings?: boolean;
  readonly logitSoftcap?: boolean;
  readonly attentionScale: (reader: MetadataReader, shapes: Shapes) => number;
}

const byHeadDim = (_: MetadataReader, { headDim }: Shapes) => 1 / Math.sqrt(headDim);
const configurable = (reader: MetadataReader, shapes: Shapes) =>
  reader.number('attention.scale') || byHeadDim(reader, shapes);

/** Gemma 3 of 62 layers (27B) scales by embedding length per head, the others by head dimension. */
const gemmaScale = (_: MetadataReader, { layers, embeddingLength, heads, headDim }: Shapes) =>
  1 / Math.sqrt(layers === 62 ? Math.floor(embeddingLength / heads) : headDim);

export const families: Readonly<Record<string, Family>> = {
  llama: { ropePairs: 'norm', activation: 'silu', attentionScale: configurable },
  qwen2: { ropePairs: 'neox', activation: 'silu', attentionScale: byHeadDim },
  qwen3: { ropePairs: 'neox', activation: 'silu', attentionScale: byHeadDim },
  smollm3: { ropePairs: 'norm', activation: 'silu', nopePeriod: 4, attentionScale: configurable },
  gemma3: {
    ropePairs: 'neox',
    activation: 'gelu',
    slidingWindow: 6,
    slidingRopeBase: 10_000,
    ropeFactors: false,
    scaledEmbeddings: true,
    logitSoftcap: true,
    attentionScale: gemmaScale,
  },
  phi3: { ropePairs: 'neox', activation: 'silu', attentionScale: byHeadDim },
};

const reasons: readonly (readonly [RegExp, string])[] = [
  [
    /mamba|rwkv|jamba|falcon-h1|nemotron_h|granitehybrid|lfm2|plamo2|kimi|qwen3next|qwen35|arwkv|hybrid/,
    'it keeps a recurrent state, which cannot be computed per passage',
  ],
  [
    /deepseek2|deepseek3|deepseek4|minicpm3|plm|glm-dsa|mistral4/,
    'its latent attention (MLA) stores keys in another form',
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
  if (typeof experts === 'number' && experts > 0) return refuse(`it routes over ${experts} experts (MoE)`);
  if (file.value(`${architecture}.attention.causal`) === false) return refuse('its attention is not causal');
  for (const name of file.tensors.keys()) {
    if (/\.ssm_|\.attn_kv_a_mqa|position_embd/.test(name))
      return refuse(`tensor ${name} belongs to a kind of layer that is not supported`);
  }
  return family;
}
