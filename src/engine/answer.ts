/**
 * One answer: plan, tokenize, acquire or not, read the final block, generate, release (design: "A request's life").
 */
import { BlockAttentionError } from '../errors.ts';
import { createSampler } from '../ggml/index.ts';
import { encodeFlops, promptFlops, Sequence } from '../model/index.ts';
import { planRag, type TokenizedPlan, tokenizePlan } from '../prompt/index.ts';
import type { BlockHandle } from '../store/index.ts';
import type { AnswerSink } from './answer-stream.ts';
import type { EngineParts } from './engine.ts';
import { generate } from './generate.ts';
import { checkStops } from './text-stream.ts';
import type { AnswerRequest, AnswerResult, BlockReport, FlopsReport, Mode } from './types.ts';

const defaultMaxTokens = 200;
/** Answers that wait for a first token go before encodes. */
const answerPriority = 1;

/** @throws EMPTY_QUESTION, INVALID_PASSAGES, INVALID_ARGUMENT, INVALID_GRAMMAR, CONTEXT_OVERFLOW, STORE_FULL, ABORTED */
export async function answer(parts: EngineParts, request: AnswerRequest, sink: AnswerSink): Promise<AnswerResult> {
  const started = performance.now();
  const { model, tokenizer, runner, source } = parts;
  const { signal } = sink;
  const mode = checkMode(request.mode);
  checkStops(request.stop ?? []);
  const sampler = createSampler(request, tokenizer);
  const cleanup: (() => void)[] = [() => sampler[Symbol.dispose]()];
  try {
    const plan = makePlan(parts, request);
    const { context, question, contextTokens } = splitPlan(plan);
    const maxTokens = answerLimit(parts, contextTokens + question.length, request.maxTokens);
    const plannedAt = performance.now();

    let handles: BlockHandle[] = [];
    let finalTokens = question;
    if (mode === 'block' && context.length > 0) {
      handles = await source.acquire(context, { signal, tenant: request.tenant });
      cleanup.push(() => {
        for (const handle of handles) source.release(handle);
      });
    } else if (mode === 'full') {
      finalTokens = joinTokens(plan);
    }
    const acquiredAt = performance.now();

    const blocks = handles.map((handle, i) => ({ memory: source.memoryOf(handle), tokens: context[i]?.length ?? 0 }));
    const sequence = new Sequence(model.backend, source.growingLayout, blocks, finalTokens.length + maxTokens);
    cleanup.push(() => sequence.dispose());
    const { logits } = await runner.prompt(sequence, finalTokens, { logits: 'last', priority: answerPriority, signal });
    const prefilledAt = performance.now();
    const generation = await generate({
      runner,
      tokenizer,
      sampler,
      sequence,
      logits,
      maxTokens,
      stop: request.stop ?? [],
      signal,
      push: (piece) => sink.push(piece),
    });
    const decodeMs = performance.now() - generation.firstTokenAt;
    const decoded = generation.tokens.length - 1;
    return {
      text: generation.text,
      mode,
      stopReason: generation.stopReason,
      tokens: { context: contextTokens, question: question.length, answer: generation.tokens.length },
      ttftMs: generation.firstTokenAt - started,
      timings: {
        planMs: plannedAt - started,
        acquireMs: acquiredAt - plannedAt,
        prefillMs: prefilledAt - acquiredAt,
        decodeMs,
        decodeTokensPerSecond: decoded > 0 && decodeMs > 0 ? (decoded * 1000) / decodeMs : 0,
      },
      blocks: reports(plan, handles),
      flops: countFlops(parts, mode, handles, context, question.length),
    };
  } finally {
    for (const release of cleanup.reverse()) release();
  }
}

function checkMode(mode: Mode = 'block'): Mode {
  if (mode !== 'block' && mode !== 'full') {
    throw new BlockAttentionError('INVALID_ARGUMENT', `mode is ${String(mode)}: use block or full`);
  }
  return mode;
}

function makePlan(parts: EngineParts, request: AnswerRequest): TokenizedPlan {
  const { system, passages, history, question } = request;
  const plan = planRag({ template: parts.template, system, passages, history, question }, parts.tokenizer);
  return tokenizePlan(plan, parts.tokenizer, parts.memo);
}

function splitPlan(plan: TokenizedPlan) {
  const context = plan.blocks.slice(0, -1).map((block) => block.tokens);
  const question = plan.blocks.at(-1)?.tokens ?? new Int32Array(0);
  return { context, question, contextTokens: context.reduce((sum, tokens) => sum + tokens.length, 0) };
}

function joinTokens(plan: TokenizedPlan): Int32Array {
  return Int32Array.from(plan.blocks.flatMap((block) => Array.from(block.tokens)));
}

/** Tokens the answer may have. @throws INVALID_ARGUMENT, CONTEXT_OVERFLOW */
function answerLimit({ contextTokens, model }: EngineParts, prompt: number, wanted: number | undefined): number {
  if (wanted !== undefined && (!Number.isInteger(wanted) || wanted < 1)) {
    throw new BlockAttentionError('INVALID_ARGUMENT', `maxTokens is ${wanted}: give a positive integer`);
  }
  const needed = prompt + (wanted ?? 1);
  if (needed > contextTokens) {
    const trained = model.hyperParameters.trainedContext;
    const remedy =
      contextTokens < trained
        ? `raise contextTokens (the model was trained for ${trained})`
        : 'pass fewer or shorter passages';
    throw new BlockAttentionError(
      'CONTEXT_OVERFLOW',
      `the prompt has ${prompt} tokens and the answer may have ${wanted ?? 1}, the context holds ${contextTokens}: ${needed - contextTokens} too many; ${remedy}`,
    );
  }
  return wanted ?? Math.min(defaultMaxTokens, contextTokens - prompt);
}

function reports(plan: TokenizedPlan, handles: readonly BlockHandle[]): BlockReport[] {
  return handles.map((handle, i) => ({
    id: plan.blocks[i]?.id ?? String(i),
    status: handle.status,
    tier: handle.tier,
    tokens: plan.blocks[i]?.tokens.length ?? 0,
    bytes: handle.memory.bytes.byteLength,
    ms: handle.ms,
  }));
}

function countFlops(
  { model }: EngineParts,
  mode: Mode,
  handles: readonly BlockHandle[],
  context: readonly Int32Array[],
  question: number,
): FlopsReport {
  const hp = model.hyperParameters;
  const before = context.reduce((sum, tokens) => sum + tokens.length, 0);
  const full = promptFlops(hp, 0, before + question);
  if (mode === 'full') {
    return { spent: full.total, full: full.total, spentLinear: full.linear, fullLinear: full.linear };
  }
  const last = promptFlops(hp, before, question);
  const misses = new Map<string, number>();
  handles.forEach((handle, i) => {
    if (handle.status === 'miss') misses.set(handle.key, context[i]?.length ?? 0);
  });
  let { total: spent, linear: spentLinear } = last;
  for (const tokens of misses.values()) {
    const cost = encodeFlops(hp, tokens);
    spent += cost.total;
    spentLinear += cost.linear;
  }
  return { spent, full: full.total, spentLinear, fullLinear: full.linear };
}
