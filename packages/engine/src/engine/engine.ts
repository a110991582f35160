/**
 * The engine: passages and a question in, an answer with its accounting out. docs/architecture.md tells a request's
 * life; each step of it is a module beside this one.
 */

import { join } from 'node:path';
import { AsyncCleanup } from '../cleanup.ts';
import { BlockAttentionError } from '../errors.ts';
import { openGguf } from '../ggml/gguf/gguf-file.ts';
import { Backend, openTokenizer, type VocabTokenizer } from '../ggml/index.ts';
import {
  type Adapter,
  type AdapterOptions,
  type AttentionFactory,
  adapterIdentity,
  findsShortlists,
  KvLayout,
  type LinearDecision,
  Model,
} from '../model/index.ts';
import { cacheFolder } from '../platform/cache-folder.ts';
import { createTokenMemo, type PromptLayout, promptLayout, type TokenMemo } from '../prompt/index.ts';
import { type BlockKey, type BlockStore, createMemoryStore } from '../store/index.ts';
import { answer } from './answer/answer.ts';
import { reportPlan } from './answer/answer-plan.ts';
import { answerStream } from './answer/answer-stream.ts';
import { type AttentionName, chooseAttention } from './attention-choice.ts';
import { BlockSource } from './blocks/block-source.ts';
import { deviceBatchTokens, planEngineMemory } from './blocks/device-memory.ts';
import { encodePassages, forgetPassages, passageKeys, removeBlocks } from './blocks/encode-passages.ts';
import { KvBudget } from './blocks/kv-budget.ts';
import { PrefixCache } from './blocks/prefix-cache.ts';
import { modelInfo } from './describe-model.ts';
import { checkRecomputation } from './policy/context-work.ts';
import { defaultPolicy, trainedPolicy } from './policy/default-policy.ts';
import { checkPolicy } from './policy/policy.ts';
import { Pace } from './schedule/pace.ts';
import { Runner } from './schedule/runner.ts';
import { tokenCounter } from './token-counter.ts';
import type { TokenizerAhead } from './tokenizer-ahead.ts';
import type {
  AdapterInfo,
  AnswerRequest,
  AnswerStream,
  EncodeOptions,
  EncodeSummary,
  Engine,
  EngineOptions,
  EngineUsage,
  KeyOptions,
  KvType,
  ModelInfo,
  Passage,
  PlanReport,
  PromptTemplate,
  RequestedMode,
  TokenCounter,
} from './types.ts';
import { checkMode, chooseMode, type ModeChoice, type ModeDefaults, type ModeRequest } from './verdict/choose-mode.ts';
import { shippedVerdicts } from './verdict/shipped-verdicts.ts';
import { readVerdict, type StoredVerdict, verdictIdentity, verdictPolicy } from './verdict/verdict-store.ts';

const kvTypes: readonly KvType[] = ['f32', 'f16', 'q8_0'];
const defaultStoreBytes = 2 * 2 ** 30;

/** What a request needs of its engine. */
export interface EngineParts {
  readonly model: Model;
  readonly tokenizer: VocabTokenizer;
  readonly runner: Runner;
  readonly source: BlockSource;
  readonly store: BlockStore;
  readonly budget: KvBudget;
  readonly prefixes: PrefixCache;
  readonly contextTokens: number;
  readonly template: PromptTemplate;
  /** Passages come again with every question: their tokens are kept. */
  readonly memo: TokenMemo;
  readonly modes: ModeDefaults;
  readonly adapter: AdapterInfo | null;
  /** How a model with these weights attends. */
  readonly attention: (model: Model, layout: KvLayout) => AttentionFactory;
}

/**
 * Loads a model and makes it ready to answer.
 * @throws MODEL_NOT_FOUND, MODEL_INVALID, MODEL_UNSUPPORTED, MODEL_TOO_LARGE, ADAPTER_INVALID, BACKEND_UNAVAILABLE,
 *   INVALID_ARGUMENT
 */
export function createEngine(options: EngineOptions): Promise<Engine> {
  return createEngineWith(options, {});
}

/** createEngine() with what is there already. @param given.ahead taken over if it is of this model */
export async function createEngineWith(
  options: EngineOptions,
  { ahead }: { readonly ahead?: TokenizerAhead | undefined },
): Promise<Engine> {
  const kvType = options.kvType ?? 'f16';
  if (!kvTypes.includes(kvType)) {
    throw new BlockAttentionError('INVALID_ARGUMENT', `kvType is ${String(kvType)}: use one of ${kvTypes.join(', ')}`);
  }
  const mode = checkMode(options.mode ?? 'auto');
  const policy = options.policy === undefined ? undefined : checkPolicy(options.policy);
  const lora = adapterOptions(options);
  await using cleanup = new AsyncCleanup();
  const { device, threads, deviceBytes } = options;
  const backend = await Backend.open({ device, threads, memoryBytes: deviceBytes });
  cleanup.defer(() => backend.dispose());
  // Reading the vocabulary takes libllama as long as all the rest takes here: it goes on beside it.
  const opening = ahead?.take(options.modelPath) ?? openTokenizer(options.modelPath);
  opening.catch(() => undefined);
  cleanup.defer(() => disposeOnceOpen(opening));
  const file = await openGguf(options.modelPath);
  const memory = planEngineMemory(file, backend, { ...options, kvType, defaultStoreBytes });
  const model = await Model.load(file, backend, {
    repack: options.repack,
    linear: options.linear ?? 'auto',
    linearFolder: join(options.cacheDir ?? cacheFolder(), 'linear'),
    adapter: lora,
  });
  cleanup.defer(() => model.dispose());
  const contextTokens = model.contextTokens(options.contextTokens);
  const { modelPath, cacheDir, template = 'auto' } = options;
  const [adapter, ids] = await describeAdapters(model, cacheDir);
  const identity = await verdictIdentity({ modelPath, template, kvType, adapter: adapter?.identity, cacheDir });
  const beside = adapter?.path ?? modelPath;
  const shipped = shippedVerdicts;
  const verdict = await readVerdict(identity, { cacheDir, beside, shipped });
  const tokenizer = await opening;
  const store = options.store ?? createMemoryStore({ budgetBytes: options.storeBytes ?? defaultStoreBytes });
  if (options.store === undefined) cleanup.defer(() => store.close());
  const layout = new KvLayout(model.hyperParameters, kvType);
  const attention = chooseAttention(options.attention ?? 'auto', model, layout);
  const runner = new Runner({
    model,
    attention: attention.factory,
    scoreBytes: attention.keepsScores ? undefined : Number.POSITIVE_INFINITY,
    pace: new Pace(model, options.onThreads),
    ...(attention.name === 'gathered' && {
      shortlists: findsShortlists(backend, model.hyperParameters.vocabulary),
      ...(!backend.isCpu && { batchTokens: deviceBatchTokens }),
    }),
  });
  cleanup.defer(() => runner.close());
  const source = new BlockSource({
    model,
    runner,
    store,
    layout,
    weights: identity.weights,
    adapter: ids.lora,
    writer: ids.writer,
    tokenizer,
    template,
    gathers: attention.name === 'gathered',
    poolBytes: memory?.poolBytes ?? options.poolBytes,
    poolIsGiven: options.poolBytes !== undefined,
  });
  cleanup.defer(() => source.dispose());
  const trained = trainedPolicy({ file: model.file, adapter: model.writer ?? model.adapter });
  const fallback = trained ?? (await verdictPolicy(identity, { beside, shipped })) ?? defaultPolicy(template);
  // What cannot be had shows now, not with the first question.
  if (policy) {
    source.encodings.of(policy);
    checkRecomputation(policy, layout);
  }
  const budget = new KvBudget(memory?.kvBytes ?? options.kvBytes);
  const prefixes = new PrefixCache(checkPrefixBytes(options.prefixBytes ?? 0), () => budget.retry());
  budget.onShortage((bytes) => prefixes.give(bytes));
  for (const spare of [prefixes, ...source.spares]) runner.addSpare(spare);
  cleanup.defer(() => prefixes.clear());
  const parts: EngineParts = {
    model,
    tokenizer,
    runner,
    source,
    store,
    budget,
    prefixes,
    contextTokens,
    template,
    memo: createTokenMemo(),
    modes: { mode, policy, fallback, trained, verdict, modelPath, adapter },
    adapter,
    attention: (part, states) => chooseAttention(attention.name, part, states).factory,
  };
  return new LocalEngine(parts, {
    store,
    kvType,
    attention: attention.name,
    attentionReason: attention.reason,
    threads: backend.threads,
    cleanup: cleanup.move(),
  });
}

class LocalEngine implements Engine {
  readonly model: ModelInfo;
  readonly store: BlockStore;
  readonly kvType: KvType;
  readonly attention: AttentionName;
  readonly attentionReason: string | null;
  readonly threads: number;
  readonly linear: readonly LinearDecision[];
  readonly tokenizer: TokenCounter;
  readonly layout: PromptLayout;
  readonly defaultMode: RequestedMode;
  readonly verdict: StoredVerdict | null;
  readonly #parts: EngineParts;
  readonly #cleanup: AsyncCleanup;
  readonly #busy = new Set<Promise<unknown>>();
  #closed: Promise<void> | undefined;

  constructor(
    parts: EngineParts,
    rest: Pick<Engine, 'store' | 'kvType' | 'attention' | 'attentionReason' | 'threads'> & {
      cleanup: AsyncCleanup;
    },
  ) {
    this.#parts = parts;
    this.store = rest.store;
    this.kvType = rest.kvType;
    this.attention = rest.attention;
    this.attentionReason = rest.attentionReason;
    this.threads = rest.threads;
    this.linear = parts.model.linearDecisions;
    this.#cleanup = rest.cleanup;
    this.model = modelInfo(parts);
    this.tokenizer = tokenCounter(parts.tokenizer);
    this.layout = promptLayout(parts.template, parts.tokenizer.chatTemplate !== undefined);
    this.defaultMode = parts.modes.mode;
    this.verdict = parts.modes.verdict ?? null;
  }

  readsVariable(name: string): boolean {
    const { template, tokenizer } = this.#parts;
    const source = template === 'auto' || template === 'chat' ? (tokenizer.chatTemplate ?? '') : '';
    return new Set<string>(source.match(/[A-Za-z_]\w*/g)).has(name);
  }

  chooseMode(request: ModeRequest): ModeChoice {
    return chooseMode(request, this.#parts.modes);
  }

  encode(passages: readonly Passage[], options: EncodeOptions = {}): Promise<EncodeSummary> {
    return this.#track(() => encodePassages(this.#parts, passages, options));
  }

  answer(request: AnswerRequest): AnswerStream {
    return answerStream((sink) => this.#track(() => answer(this.#parts, request, sink)), request.signal);
  }

  plan(request: AnswerRequest): Promise<PlanReport> {
    return this.#track(() => reportPlan(this.#parts, request));
  }

  async forget(passages: readonly Passage[], options: KeyOptions = {}): Promise<number> {
    this.#forgetTexts();
    return this.#track(() => forgetPassages(this.#parts, passages, options));
  }

  forgetBlocks(keys: readonly BlockKey[]): Promise<number> {
    this.#forgetTexts();
    return this.#track(() => removeBlocks(this.#parts, new Set(keys)));
  }

  /** What is remembered of a text goes with it. */
  #forgetTexts(): void {
    this.#parts.memo.clear();
    this.#parts.prefixes.clear();
  }

  usage(): EngineUsage {
    const { budget, model, prefixes, source } = this.#parts;
    const { usedBytes, limitBytes } = model.backend.memoryUse();
    return {
      kvBytes: budget.reservedBytes,
      kvBudgetBytes: budget.totalBytes,
      kvWaiting: budget.waiting,
      prefixes: prefixes.stats(),
      pool: source.poolStats() ?? null,
      device: { usedBytes, limitBytes: Number.isFinite(limitBytes) ? limitBytes : null },
    };
  }

  blockKeys(passages: readonly Passage[], options: KeyOptions = {}): BlockKey[] {
    if (this.#closed) throw new BlockAttentionError('DISPOSED', 'the engine is closed: create a new one');
    return passageKeys(this.#parts, passages, options);
  }

  #track<T>(work: () => Promise<T>): Promise<T> {
    if (this.#closed)
      return Promise.reject(new BlockAttentionError('DISPOSED', 'the engine is closed: create a new one'));
    const promise = work();
    const settled = promise.catch(() => undefined).finally(() => this.#busy.delete(settled));
    this.#busy.add(settled);
    return promise;
  }

  /** Waits for requests under way, then frees the model. Idempotent. */
  close(): Promise<void> {
    this.#closed ??= (async () => {
      await Promise.all(this.#busy);
      await this.#cleanup[Symbol.asyncDispose]();
    })();
    return this.#closed;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }
}

/** Also of one that is still opening, or could not be opened, when another step failed. */
async function disposeOnceOpen(opening: Promise<VocabTokenizer>): Promise<void> {
  const [opened] = await Promise.allSettled([opening]);
  if (opened.status === 'fulfilled') opened.value.dispose();
}

function checkPrefixBytes(bytes: number): number {
  if (bytes >= 0) return bytes;
  throw new BlockAttentionError('INVALID_ARGUMENT', `prefixBytes is ${bytes}: give a number of bytes of at least 0`);
}

function adapterOptions({ adapter = [], adapterScale: scale }: EngineOptions): AdapterOptions[] {
  const paths = [adapter].flat();
  if (scale === undefined || paths.length === 1) return paths.map((path) => ({ path, scale }));
  const why = paths.length === 0 ? 'without an adapter: name its file' : 'for several adapters: give one, or no scale';
  throw new BlockAttentionError('INVALID_ARGUMENT', `adapterScale is ${scale} ${why}`);
}

/** What runs with the model, and what block keys say of each kind. */
async function describeAdapters({ adapter, writer }: Model, cacheDir: string = cacheFolder()) {
  const identityOf = (each: Adapter | undefined) => each && adapterIdentity(each, join(cacheDir, 'digests'));
  const ids = { lora: await identityOf(adapter), writer: await identityOf(writer) };
  const over = adapter && ids.lora !== undefined ? adapterInfo(adapter, ids.lora, null) : null;
  if (writer === undefined || ids.writer === undefined) return [over, ids] as const;
  const identity = over === null ? ids.writer : `${over.identity} + ${ids.writer}`;
  return [adapterInfo(writer, identity, over), ids] as const;
}

function adapterInfo({ path, scale, rank, kind }: Adapter, identity: string, over: AdapterInfo | null): AdapterInfo {
  return { path, scale, rank, kind, over, identity };
}
