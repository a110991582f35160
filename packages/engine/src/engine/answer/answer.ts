/**
 * One answer: plan, tokenize, acquire or not, read the final block, generate, release (docs/architecture.md, "A
 * request's life").
 */
import { Cleanup } from '../../cleanup.ts';
import { createSampler } from '../../ggml/index.ts';
import { concatenate, encodeFlops, promptFlops } from '../../model/index.ts';
import type { TokenizedPlan } from '../../prompt/index.ts';
import type { BlockHandle } from '../../store/index.ts';
import type { Offer } from '../blocks/prefix-cache.ts';
import { contextBytes, contextScope, openContext } from '../blocks/read-context.ts';
import type { EngineParts } from '../engine.ts';
import { contextWork } from '../policy/context-work.ts';
import { tailsOf } from '../policy/neighbour-tokens.ts';
import type { AnswerRequest, AnswerResult, BlockReport, FlopsReport, Mode } from '../types.ts';
import { chooseMode } from '../verdict/choose-mode.ts';
import { answerLimit, joinTokens, makePlan, splitPlan } from './answer-plan.ts';
import type { AnswerSink } from './answer-stream.ts';
import { generate } from './generate.ts';
import { answerTokens, scoreTexts } from './score-texts.ts';
import { selectWork } from './select-passages.ts';
import { checkStops } from './text-stream.ts';
import { checkAlternatives } from './token-report.ts';

/** Answers that wait for a first token go before the encoding of blocks. */
const answerPriority = 2;
/** Blocks that an answer waits for go before those encoded ahead. */
const missPriority = 1;

/**
 * @throws EMPTY_QUESTION, INVALID_PASSAGES, INVALID_ARGUMENT, INVALID_GRAMMAR, CONTEXT_OVERFLOW, MODEL_TOO_LARGE,
 * STORE_FULL, ABORTED
 */
export async function answer(parts: EngineParts, request: AnswerRequest, sink: AnswerSink): Promise<AnswerResult> {
  const started = performance.now();
  const { tokenizer, runner, source, budget, prefixes } = parts;
  const { signal } = sink;
  const { tenant } = request;
  const { epoch } = prefixes;
  const choice = chooseMode(request, parts.modes);
  const { mode } = choice;
  checkStops(request.stop ?? []);
  const topLogprobs = checkAlternatives(request.topLogprobs ?? 0);
  using cleanup = new Cleanup();
  const sampler = cleanup.use(createSampler(request, tokenizer));
  let offer: Offer | undefined;
  const whole = await makePlan(parts, request, mode);
  const { context, question, contextTokens } = splitPlan(whole);
  const maxTokens = answerLimit(parts, contextTokens + question.length, request);
  const finalTokens = mode === 'full' ? joinTokens(whole) : question;
  const plannedAt = performance.now();

  const texts = (request.score ?? []).map((text) => answerTokens(text, whole.answerAfterSpace, tokenizer));
  const longest = texts.reduce((most, { length }) => Math.max(most, length), maxTokens);
  answerLimit(parts, contextTokens + question.length, { maxTokens: longest });
  const ownTokens = source.growingLayout.padded(finalTokens.length + longest);
  const blockContext = mode === 'block' ? context : [];
  const planned = contextWork(choice.policy, { context: blockContext, question }, source);
  const ownBytes = contextBytes(parts, blockContext, ownTokens, planned);
  const choosing = selectWork(parts, whole, choice.policy);
  // What choosing takes is free again before the answer takes its own.
  const unreserve = await budget.reserve(Math.max(ownBytes, choosing?.bytes ?? 0), signal);
  cleanup.defer(() => {
    if (offer === undefined) unreserve();
  });
  let handles: BlockHandle[] = [];
  const tails = await tailsOf(parts, choice.policy, whole.blocks.slice(0, -1));
  const blocksOptions = { tenant, policy: choice.policy ?? undefined, tails };
  if (mode === 'block' && context.length > 0) {
    handles = await source.acquire(context, { signal, ...blocksOptions, priority: missPriority });
    cleanup.defer(() => {
      for (const handle of handles) source.release(handle);
    });
  }
  const acquiredAt = performance.now();

  const selection = await choosing?.run(handles, {
    priority: answerPriority,
    group: tenant,
    reuse: request.prefixReuse ?? true,
    signal,
  });
  const read = selection?.reading ?? { plan: whole, handles, context: blockContext };
  const selectedAt = performance.now();

  const work = contextWork(choice.policy, { context: read.context, question }, source);
  const { sequence, recomputed, release } = await openContext(parts, {
    ...read,
    policy: choice.policy,
    work,
    ownTokens,
    signal,
  });
  cleanup.defer(release);
  const recomputedAt = performance.now();
  const scope = contextScope(tenant, read.handles, choice.policy);
  // Recomputed states are this request's own, and so is what has seen them.
  const reuse = (request.prefixReuse ?? true) && work === undefined;
  let held = finalTokens;
  cleanup.defer(() => {
    if (offer) offer.finish(held);
    else sequence.dispose();
  });
  const reusedTokens = reuse ? await prefixes.restore(runner, scope, finalTokens, sequence) : 0;
  const { logits } = await runner.prompt(sequence, finalTokens.subarray(reusedTokens), {
    logits: 'last',
    priority: answerPriority,
    group: tenant,
    signal,
  });
  const prefilledAt = performance.now();
  if (reuse && prefixes.enabled) {
    // From here on the sequence and its memory are the cache's: it outlives the answer there.
    offer = prefixes.offer(scope, epoch, finalTokens, sequence, unreserve);
  }
  request.onPromptLogits?.(logits);
  const scoring = { runner, tokenizer, sequence, logits, priority: answerPriority, group: tenant, signal };
  const scores = await scoreTexts(texts, scoring);
  const generation = await generate({
    runner,
    tokenizer,
    sampler,
    sequence,
    logits,
    maxTokens,
    stop: request.stop ?? [],
    controlText: request.controlText,
    afterSpace: whole.answerAfterSpace,
    signal,
    push: (piece) => sink.push(piece),
    group: tenant,
    onToken: request.onToken,
    topLogprobs,
  });
  const decodeMs = performance.now() - generation.firstTokenAt;
  held = concatenate([finalTokens, generation.tokens]);
  const decoded = generation.tokens.length - 1;
  return {
    text: generation.text,
    scores,
    mode,
    requested: choice.requested,
    reason: choice.reason,
    policy: choice.policy?.name ?? null,
    recomputed: recomputed ? { tokens: recomputed.tokens, ms: recomputedAt - selectedAt } : { tokens: 0, ms: 0 },
    selection: selection === undefined ? null : { passages: selection.passages, ms: selection.ms },
    stopReason: generation.stopReason,
    stopText: generation.stopText,
    tokens: { context: contextTokens, question: question.length, answer: generation.tokens.length },
    reusedTokens,
    ttftMs: generation.firstTokenAt - started,
    timings: {
      planMs: plannedAt - started,
      acquireMs: acquiredAt - plannedAt,
      prefillMs: prefilledAt - recomputedAt,
      decodeMs,
      decodeTokensPerSecond: decoded > 0 && decodeMs > 0 ? (decoded * 1000) / decodeMs : 0,
    },
    blocks: reports(whole, handles),
    flops: countFlops(parts, {
      mode,
      misses: missesOf(handles, context, source.tokensBefore(context, blocksOptions)),
      before: contextTokens,
      read: splitPlan(read.plan).contextTokens,
      question: question.length,
      reused: reusedTokens,
      chosen: selection?.flops,
      recomputed: recomputed?.flops,
    }),
  };
}

function reports(plan: TokenizedPlan, handles: readonly BlockHandle[]): BlockReport[] {
  return handles.map((handle, i) => ({
    id: plan.blocks[i]?.id ?? String(i),
    status: handle.status,
    tier: handle.tier,
    tokens: plan.blocks[i]?.tokens.length ?? 0,
    bytes: handle.memory.size,
    ms: handle.ms,
  }));
}

interface Miss {
  readonly tokens: number;
  /** What it was encoded behind: tokens that were there, and behind those tokens encoded for it alone. */
  readonly anchor: number;
  readonly tail: number;
}

/** Blocks that were encoded, each once. */
function missesOf(
  handles: readonly BlockHandle[],
  context: readonly Int32Array[],
  before: readonly Pick<Miss, 'anchor' | 'tail'>[],
): Iterable<Miss> {
  const misses = new Map<string, Miss>();
  handles.forEach(({ status, key }, i) => {
    if (status === 'miss')
      misses.set(key, { tokens: context[i]?.length ?? 0, ...(before[i] ?? { anchor: 0, tail: 0 }) });
  });
  return misses.values();
}

interface Spent {
  readonly mode: Mode;
  readonly misses: Iterable<Miss>;
  /** Tokens of the context, those of it that the final block read, and of the question, and those of the latter that were not computed. */
  readonly before: number;
  readonly read: number;
  readonly question: number;
  readonly reused: number;
  /** What choosing passages and computing tokens again took. */
  readonly chosen: { readonly linear: number; readonly total: number } | undefined;
  readonly recomputed: { readonly linear: number; readonly total: number } | undefined;
}

function countFlops(
  { model }: EngineParts,
  { mode, misses, before, read, question, reused, chosen, recomputed }: Spent,
): FlopsReport {
  const hp = model.hyperParameters;
  const full = promptFlops(hp, 0, before + question);
  if (mode === 'full') {
    const rest = promptFlops(hp, reused, before + question - reused);
    return { spent: rest.total, encoding: 0, full: full.total, spentLinear: rest.linear, fullLinear: full.linear };
  }
  const last = promptFlops(hp, read + reused, question - reused);
  let spent = last.total + (recomputed?.total ?? 0) + (chosen?.total ?? 0);
  let spentLinear = last.linear + (recomputed?.linear ?? 0) + (chosen?.linear ?? 0);
  let encoding = 0;
  for (const miss of misses) {
    const cost = encodeFlops(hp, miss.tail + miss.tokens, miss.anchor);
    encoding += cost.total;
    spentLinear += cost.linear;
  }
  spent += encoding;
  return { spent, encoding, full: full.total, spentLinear, fullLinear: full.linear };
}
