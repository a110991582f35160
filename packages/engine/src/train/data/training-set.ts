/** Tokenized samples of a run: read, cut to what fits, split into what is trained on and what is held out. */
import { createHash } from 'node:crypto';
import { tokensBefore } from '../../engine/policy/anchor-tokens.ts';
import type { ContextPolicy } from '../../engine/policy/policy.ts';
import { BlockAttentionError } from '../../errors.ts';
import { openTokenizer } from '../../ggml/llama/vocab.ts';
import type { FinetuneOptions } from '../finetune-options.ts';
import { shuffled } from '../optimizer/random.ts';
import type { FinalBlock, TrainingMode, TrainingSequence } from '../types.ts';
import { contextTokens, finalBlocks, sequenceTokens } from './packing.ts';
import { createSampleTokenizer, type TokenizedSample } from './tokenize-samples.ts';
import { readTrainingData } from './training-data.ts';

export interface TrainingSet {
  readonly training: readonly TokenizedSample[];
  readonly heldOut: readonly TokenizedSample[];
  /** Left out because they are longer than allowed. */
  readonly skipped: number;
  /** Tokens of the longest sample. */
  readonly longest: number;
  /** Of all token ids: tells two data sets apart. */
  readonly digest: string;
  /** What context blocks stand behind in block mode; empty for nothing. */
  readonly anchor: Int32Array;
}

/** Most samples to hold out when a share is: evaluating takes time, too. */
const mostHeldOut = 200;

/** @throws INVALID_DATA */
export async function loadTrainingSet(
  options: FinetuneOptions,
  policy: ContextPolicy,
  maxTokens: number,
): Promise<TrainingSet> {
  const { data, validation, validationShare = 0.05, passages, limit, seed = 1, template = 'auto', model } = options;
  const read = { passagesPerSample: passages, refusal: options.refusal };
  const samples = await readTrainingData(data, { ...read, limit });
  const others = validation === undefined ? [] : await readTrainingData(validation, read);
  const tokenizer = await openTokenizer(model);
  try {
    const tokenize = createSampleTokenizer(tokenizer, template);
    const fits = (sample: TokenizedSample) => sequenceTokens({ ...sample, mode: 'full' }) <= maxTokens;
    const all = samples.flatMap((sample) => inParts(tokenize(sample), maxTokens));
    const kept = shuffled(all.filter(fits), seed);
    const apart = others.flatMap((sample) => inParts(tokenize(sample), maxTokens)).filter(fits);
    const share = validation === undefined ? Math.min(mostHeldOut, Math.floor(kept.length * validationShare)) : 0;
    const training = kept.slice(share);
    if (training.length === 0) {
      throw new BlockAttentionError(
        'INVALID_DATA',
        `${data}: none of ${samples.length} samples has at most ${maxTokens} tokens: allow more, or keep fewer passages`,
      );
    }
    const hash = createHash('sha256');
    const anchor = tokensBefore(policy, tokenizer, template);
    hash.update(new Uint8Array(anchor.buffer, anchor.byteOffset, anchor.byteLength));
    let longest = 0;
    for (const sample of [...kept, ...apart]) {
      longest = Math.max(longest, sequenceTokens({ ...sample, mode: 'block', anchor }));
      for (const block of [...sample.blocks, ...sample.branches.map(({ tokens }) => tokens)]) {
        hash.update(new Uint8Array(block.buffer, block.byteOffset, block.byteLength));
      }
    }
    return {
      training,
      heldOut: [...kept.slice(0, share), ...apart],
      skipped: all.length - kept.length,
      longest,
      digest: hash.digest('hex'),
      anchor,
    };
  } finally {
    tokenizer.dispose();
  }
}

/** The questions of a sample in as many sequences as it takes for none to be too long. */
export function inParts(sample: TokenizedSample, maxTokens: number): TokenizedSample[] {
  const sequence = { ...sample, mode: 'full' } as const;
  const context = contextTokens(sequence);
  const parts: FinalBlock[][] = [];
  let used = Infinity;
  for (const final of finalBlocks(sequence)) {
    if (used + final.tokens.length > maxTokens) {
      parts.push([]);
      used = context;
    }
    parts.at(-1)?.push(final);
    used += final.tokens.length;
  }
  return parts.map(([first, ...branches]) => ({
    blocks: [...sample.blocks.slice(0, -1), ...(first === undefined ? [] : [first.tokens])],
    responseTokens: first?.responseTokens ?? 0,
    branches,
  }));
}

/** Samples in each of the modes. */
export function inModes(
  samples: readonly TokenizedSample[],
  modes: readonly TrainingMode[],
  anchor: Int32Array,
): TrainingSequence[] {
  return samples.flatMap((sample) =>
    modes.map((mode) => ({ ...sample, mode, ...(mode === 'block' && anchor.length > 0 && { anchor }) })),
  );
}
