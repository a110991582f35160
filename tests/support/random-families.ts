/**
 * What the files of each family have, as llama.cpp reads them: which norms, biases and maps, and which keys. Written from
 * the names in its pinned release; a model that it does not load fails every test of the family.
 */
import type { GgufEntry } from '../../src/ggml/gguf-writer.ts';

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
  /** What every token meets besides. */
  readonly shared?: 'gated' | 'plain' | 'layer';
  /** Biases of the router and the experts. */
  readonly expertBias?: boolean;
  readonly choiceBias?: boolean;
  /** Share of a head's dimensions that are rotated. Defaults to all. */
  readonly rotated?: number;
  /** Keys of the family's own, without the architecture before them. */
  readonly entries?: Readonly<Record<string, GgufEntry>>;
}

export const familyTraits = {
  llama: { vocabulary: 'spm', experts: 'asked' },
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
} as const satisfies Record<string, FamilyTraits>;

export type Family = keyof typeof familyTraits;
