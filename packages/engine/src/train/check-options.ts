/** What a fine-tuning run is told, checked before anything is read or written. */
import { BlockAttentionError } from '../errors.ts';
import type { GgufFile } from '../ggml/gguf/gguf-file.ts';
import { AdapterFile, type AdapterKind } from '../model/weights/adapter-file.ts';
import type { FinetuneOptions } from './finetune-options.ts';
import { checkDistill } from './graph/teacher.ts';
import { type LowRankOptions, lowRankOf } from './optimizer/low-rank-parameters.ts';
import { noMerging } from './training-session.ts';

/** What is trained beside frozen weights. */
export interface Trained {
  /** Undefined when all weights are trained. */
  readonly lora: LowRankOptions | undefined;
  /** What is trained on. */
  readonly start: AdapterFile | undefined;
  /** What a writer is trained over. */
  readonly over: AdapterFile | undefined;
}

/** @throws MODEL_NOT_FOUND, ADAPTER_INVALID; INVALID_ARGUMENT for an adapter that cannot be trained on, or not as asked */
export async function trainedOf(options: FinetuneOptions, file: GgufFile): Promise<Trained> {
  const { writer = false } = options;
  const given: AdapterFile[] = [];
  for (const path of [options.adapter ?? []].flat()) given.push(await AdapterFile.open(path, file));
  const kind = writer ? 'writer' : 'lora';
  const [start, second] = given.filter((adapter) => adapter.kind === kind);
  const [over, another] = given.filter((adapter) => adapter.kind !== kind);
  if (over !== undefined && !writer) {
    throw invalid(`${over.path} is a writer: give writer (--writer) to train it further, or another adapter`);
  }
  const surplus = second ?? another;
  if (surplus !== undefined) throw invalid(`${surplus.path} is one adapter too many: give at most one of each kind`);
  return { lora: lowRankOptions(options, kind, start), start, over };
}

function lowRankOptions(
  { lora, alpha, seed = 1, adapter, precision = 'mixed' }: FinetuneOptions,
  kind: AdapterKind,
  start: AdapterFile | undefined,
): LowRankOptions | undefined {
  if (start === undefined) {
    return lora === null && adapter === undefined ? undefined : { rank: lora ?? 16, alpha, seed, kind, precision };
  }
  const own = lowRankOf(start);
  const asGiven = (given: number | null | undefined, has: number) => given === undefined || given === has;
  if (!asGiven(lora, own.rank) || !asGiven(alpha, own.alpha)) {
    throw new BlockAttentionError(
      'INVALID_ARGUMENT',
      `${start.path} has rank ${own.rank} and alpha ${own.alpha}, and training continues with them: leave lora and alpha out`,
    );
  }
  return { ...own, seed, start: start.path, kind, precision };
}

/** @throws INVALID_ARGUMENT for what a writer cannot be trained with */
function checkWriter({ writer = false, lora, modes, blockDropout = 0, merge = false }: FinetuneOptions): void {
  if (!writer) return;
  if (lora === null) throw invalid('lora is null: a writer is an adapter, leave it out or give its rank');
  if (merge) throw noMerging();
  if (modes?.some((mode) => mode !== 'block')) {
    throw invalid(`modes is ${modes.join(',')}: a writer does not act in full attention, train it in block mode only`);
  }
  if (blockDropout > 0) {
    throw invalid(
      `blockDropout is ${blockDropout}: a writer acts on passages that attend to themselves only, leave it out`,
    );
  }
}

function invalid(message: string): BlockAttentionError {
  return new BlockAttentionError('INVALID_ARGUMENT', message);
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
  const { minutes } = options;
  if (minutes !== undefined && !(minutes > 0)) throw invalid(`minutes is ${minutes}: give a number above 0`);
  checkWriter(options);
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
