/** What a fine-tuning run is told, checked before anything is read or written. */
import { BlockAttentionError } from '../errors.ts';
import type { GgufFile } from '../ggml/gguf-file.ts';
import { AdapterFile } from '../model/adapter-file.ts';
import type { FinetuneOptions } from './finetune-options.ts';
import { type LowRankOptions, lowRankOf } from './low-rank-parameters.ts';
import { checkDistill } from './teacher.ts';

/**
 * What is trained beside frozen weights; undefined when all weights are.
 * @throws MODEL_NOT_FOUND, ADAPTER_INVALID; INVALID_ARGUMENT for an adapter that cannot be trained on, or not as asked
 */
export async function loraOf(
  { adapter, lora, alpha, seed = 1 }: FinetuneOptions,
  file: GgufFile,
): Promise<LowRankOptions | undefined> {
  if (adapter === undefined) return lora === null ? undefined : { rank: lora ?? 16, alpha, seed };
  const start = await AdapterFile.open(adapter, file);
  const own = lowRankOf(start);
  const asGiven = (given: number | null | undefined, has: number) => given === undefined || given === has;
  if (!asGiven(lora, own.rank) || !asGiven(alpha, own.alpha)) {
    throw new BlockAttentionError(
      'INVALID_ARGUMENT',
      `${adapter} has rank ${own.rank} and alpha ${own.alpha}, and training goes on with them: leave lora and alpha out`,
    );
  }
  return { ...own, seed, start };
}

/** @throws INVALID_ARGUMENT naming the option */
export function checkOptions(options: FinetuneOptions): void {
  const positive = [
    'epochs',
    'batch',
    'batchTokens',
    'maxTokens',
    'passages',
    'limit',
    'evaluateEvery',
    'checkpointEvery',
  ] as const;
  for (const name of positive) {
    const value = options[name];
    if (value === undefined || (Number.isSafeInteger(value) && value >= 1)) continue;
    throw new BlockAttentionError('INVALID_ARGUMENT', `${name} is ${value}: give a whole number of at least 1`);
  }
  const { learningRate, modes, validationShare, distill, blockDropout } = options;
  if (learningRate !== undefined && !(learningRate > 0 && Number.isFinite(learningRate))) {
    throw new BlockAttentionError('INVALID_ARGUMENT', `learningRate is ${learningRate}: give a number above 0`);
  }
  if (validationShare !== undefined && !(validationShare >= 0 && validationShare < 1)) {
    throw new BlockAttentionError('INVALID_ARGUMENT', `validationShare is ${validationShare}: give a share below 1`);
  }
  checkDistill(distill);
  if (blockDropout !== undefined && !(blockDropout >= 0 && blockDropout < 1)) {
    throw new BlockAttentionError(
      'INVALID_ARGUMENT',
      `blockDropout is ${blockDropout}: give a probability from 0 to below 1`,
    );
  }
  if (modes?.length === 0)
    throw new BlockAttentionError('INVALID_ARGUMENT', 'modes is empty: give full, block or both');
}
