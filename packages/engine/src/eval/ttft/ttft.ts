/**
 * Time to first token, block mode against full attention, over prompt lengths.
 *
 * Block mode is measured as a user meets it: answer() with all passages in the store, from the call to the first
 * sampled token, everything counted. Full attention is this engine's own and llama.cpp's (ttft-llama.ts; its
 * tokenization is not counted). All are measured in turn within one run. Nothing is extrapolated: what was not
 * measured is null.
 */
import {
  type AnswerResult,
  createEngine,
  type Engine,
  type EngineOptions,
  type KvType,
  type ModelInfo,
} from '../../engine/index.ts';
import { BlockAttentionError } from '../../errors.ts';
import { openTokenizer } from '../../ggml/index.ts';
import { median } from '../../scoring/median.ts';
import { describeMachine, type Machine } from './machine.ts';
import { LlamaCppYardstick } from './ttft-llama.ts';
import { type ExactPrompt, exactPrompt } from './ttft-prompt.ts';

export interface TtftOptions
  extends Pick<
    EngineOptions,
    'modelPath' | 'device' | 'threads' | 'kvType' | 'attention' | 'cacheDir' | 'adapter' | 'adapterScale'
  > {
  /** Lengths of whole prompts, in tokens. They may exceed what the model was trained for: the time is the same. */
  readonly lengths: readonly number[];
  /** Length of the final block. Defaults to 50. */
  readonly questionTokens?: number | undefined;
  /** Longest passage block. Defaults to 512. */
  readonly blockTokens?: number | undefined;
  /**
   * Measurements per length, of which the median counts. Defaults to 5. Full attention is measured less often, at
   * least once, where it takes long.
   */
  readonly runs?: number | undefined;
  /** Full attention is not measured beyond this length. Defaults to no limit. */
  readonly maxFullTokens?: number | undefined;
  /** Whether llama.cpp is measured, too. Defaults to `llama.cpp`. */
  readonly reference?: 'llama.cpp' | 'none' | undefined;
  readonly signal?: AbortSignal | undefined;
  /** Told what happens next, and how long it may take where that can be told, in ms. */
  readonly onProgress?: ((step: string, expectedMs?: number) => void) | undefined;
  /** Told each row as it is complete. */
  readonly onRow?: ((row: TtftRow, engine: Engine) => void) | undefined;
}

export interface TtftRow {
  /** Tokens of the whole prompt: context and final block. */
  readonly tokens: number;
  readonly contextTokens: number;
  readonly questionTokens: number;
  /** Context blocks, the instruction's included. */
  readonly blocks: number;
  /** Bytes of keys and values reused in block mode. */
  readonly reusedBytes: number;
  /** The faster of the next two; null where neither was measured. Medians all, in ms. */
  readonly fullMs: number | null;
  readonly engineFullMs: number | null;
  readonly llamaCppMs: number | null;
  /** Whether llama.cpp was faster with flash attention. */
  readonly llamaCppFlashAttention: boolean | null;
  readonly blockMs: number;
  /** Parts of blockMs: plan and tokens; look-up and pins; final block. The rest is sampling. */
  readonly blockParts: { readonly planMs: number; readonly acquireMs: number; readonly prefillMs: number };
  /** Operations to the first token, attention included, and of the matrices alone as the paper counts. */
  readonly fullFlops: number;
  readonly blockFlops: number;
  readonly fullLinearFlops: number;
  readonly blockLinearFlops: number;
  /** Encoding the context blocks, once, in ms: no part of blockMs. */
  readonly encodeMs: number;
  /** How often each was measured. */
  readonly runs: { readonly block: number; readonly engineFull: number; readonly llamaCpp: number };
}

export interface TtftReport {
  readonly rows: readonly TtftRow[];
  readonly machine: Machine;
  readonly model: Omit<ModelInfo, 'contextTokens'>;
  readonly kvType: KvType;
  readonly attention: Engine['attention'];
  readonly threads: number;
  readonly blockTokens: number;
  readonly reference: 'llama.cpp' | 'none';
}

/** Full attention is repeated while it stays within this time per length. */
const patienceMs = 30_000;
/** Beyond this, only the way of llama.cpp that was faster at the length before is measured. */
const bothWaysMs = 30_000;

/** @throws INVALID_ARGUMENT for numbers that cannot be; ABORTED; what createEngine() throws */
export async function benchTtft(options: TtftOptions): Promise<TtftReport> {
  const { questionTokens = 50, blockTokens = 512, runs = 5, reference = 'llama.cpp' } = options;
  checkWhole({ questionTokens, blockTokens, runs });
  for (const length of options.lengths) checkWhole({ length });
  const prompts = await makePrompts(options, questionTokens, blockTokens);
  const rows: TtftRow[] = [];
  let setting: Omit<TtftReport, 'rows' | 'machine' | 'blockTokens' | 'reference'> | undefined;
  for (const prompt of prompts) {
    options.onProgress?.(`${prompt.tokens.length} tokens: loading`);
    // An engine per length: memory holds the blocks of one length at a time.
    const { modelPath, device, threads, kvType, attention, cacheDir, adapter, adapterScale } = options;
    await using engine = await createEngine({
      modelPath,
      device,
      threads,
      kvType,
      attention,
      cacheDir,
      adapter,
      adapterScale,
      template: 'plain',
      contextTokens: prompt.tokens.length + 1,
      storeBytes: 2 ** 40,
    });
    const row = await measureLength(prompt, rows.at(-1), { engine, runs, reference, options });
    rows.push(row);
    options.onRow?.(row, engine);
    setting ??= { model: engine.model, kvType: engine.kvType, attention: engine.attention, threads: engine.threads };
  }
  if (setting === undefined) throw new BlockAttentionError('INVALID_ARGUMENT', 'lengths is empty: give at least one');
  return { rows, machine: describeMachine(), ...setting, blockTokens, reference };
}

function checkWhole(values: Readonly<Record<string, number>>): void {
  for (const [name, value] of Object.entries(values)) {
    if (Number.isSafeInteger(value) && value >= 1) continue;
    throw new BlockAttentionError('INVALID_ARGUMENT', `${name} is ${value}: give a whole number of at least 1`);
  }
}

async function makePrompts(options: TtftOptions, questionTokens: number, blockTokens: number): Promise<ExactPrompt[]> {
  options.onProgress?.('making prompts');
  const tokenizer = await openTokenizer(options.modelPath);
  try {
    const lengths = [...options.lengths].sort((a, b) => a - b);
    return lengths.map((tokens) => exactPrompt({ tokens, questionTokens, blockTokens, tokenizer }));
  } finally {
    tokenizer.dispose();
  }
}

interface Bench {
  readonly engine: Engine;
  readonly runs: number;
  readonly reference: 'llama.cpp' | 'none';
  readonly options: TtftOptions;
}

async function measureLength(prompt: ExactPrompt, before: TtftRow | undefined, bench: Bench): Promise<TtftRow> {
  const { engine, runs, reference, options } = bench;
  const { signal, onProgress, modelPath, maxFullTokens = Infinity } = options;
  const { adapter } = engine.model;
  // A writer has no part in full attention.
  const everywhere = adapter?.kind === 'writer' ? adapter.over : adapter;
  const tokens = prompt.tokens.length;
  const { system, passages, question } = prompt;
  const answer = (mode: 'block' | 'full') =>
    engine.answer({ system, passages, question, mode, maxTokens: 1, signal }).result;
  onProgress?.(`${tokens} tokens: encoding the passages`);
  // The first answer encodes what the others reuse, and warms up.
  const first = await answer('block');
  const measureFull = tokens <= maxFullTokens;
  const scaled = (ms: number | null | undefined): number | undefined =>
    before === undefined || ms === null || ms === undefined ? undefined : (ms * first.flops.full) / before.fullFlops;
  const engineExpected = scaled(before?.engineFullMs);
  const llamaExpected = scaled(before?.llamaCppMs);
  if (measureFull && before === undefined) await answer('full');
  const known = (llamaExpected ?? 0) > bothWaysMs ? before?.llamaCppFlashAttention : undefined;
  const flashAttention = typeof known === 'boolean' ? [known] : [true, false];
  await using yardstick =
    measureFull && reference === 'llama.cpp'
      ? await LlamaCppYardstick.open({
          modelPath,
          tokens,
          threads: engine.threads,
          flashAttention,
          adapter: everywhere?.path,
          adapterScale: everywhere?.scale,
        })
      : undefined;
  const block: AnswerResult[] = [];
  const full: number[] = [];
  for (let run = 1; run <= runs; run++) {
    onProgress?.(`${tokens} tokens: block mode, run ${run} of ${runs}`);
    block.push(await answer('block'));
    const nextMs = (full.at(-1) ?? 0) + (yardstick?.result?.ms ?? 0);
    if (!measureFull || (full.length > 0 && (full.length + 1) * nextMs > patienceMs)) continue;
    onProgress?.(`${tokens} tokens: full attention, run ${run}`, engineExpected);
    full.push((await answer('full')).ttftMs);
    onProgress?.(`${tokens} tokens: full attention by llama.cpp, run ${run}`, llamaExpected);
    await yardstick?.measure(prompt.tokens, signal);
  }
  const missed = block.flatMap(({ blocks }) => blocks).filter(({ status }) => status === 'miss').length;
  if (missed > 0) throw new BlockAttentionError('INTERNAL', `${missed} blocks were encoded while reuse was measured`);
  const llama = yardstick?.result;
  const engineFullMs = median(full) ?? null;
  const llamaCppMs = llama?.ms ?? null;
  const times = [engineFullMs, llamaCppMs].filter((ms) => ms !== null);
  const [reused = first] = block;
  const middle = (part: (result: AnswerResult) => number) => median(block.map(part)) ?? Number.NaN;
  return {
    tokens,
    contextTokens: reused.tokens.context,
    questionTokens: reused.tokens.question,
    blocks: reused.blocks.length,
    reusedBytes: reused.blocks.reduce((sum, { bytes }) => sum + bytes, 0),
    fullMs: times.length === 0 ? null : Math.min(...times),
    engineFullMs,
    llamaCppMs,
    llamaCppFlashAttention: llama?.flashAttention ?? null,
    blockMs: middle(({ ttftMs }) => ttftMs),
    blockParts: {
      planMs: middle(({ timings }) => timings.planMs),
      acquireMs: middle(({ timings }) => timings.acquireMs),
      prefillMs: middle(({ timings }) => timings.prefillMs),
    },
    fullFlops: reused.flops.full,
    blockFlops: reused.flops.spent,
    fullLinearFlops: reused.flops.fullLinear,
    blockLinearFlops: reused.flops.spentLinear,
    encodeMs: first.timings.acquireMs,
    runs: { block: block.length, engineFull: full.length, llamaCpp: llama?.runs ?? 0 },
  };
}
