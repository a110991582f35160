/**
 * Which passages an answer is read from, where its policy chooses (`select:K`): the final block is read behind every
 * passage alone, beside what is not a passage, and those stay behind which "the documents do not answer this" is least
 * likely: one, and up to K that come close to it. Their states are there; what is computed is the question, once per
 * passage, in batches.
 *
 * Knows a plan and its pinned blocks; not how the answer is made. Invariant: no sequence outlives the call, however it ends.
 */
import { Cleanup } from '../../cleanup.ts';
import { concatenate, type Flops, promptFlops, type Sequence } from '../../model/index.ts';
import { notInDocuments, type TokenizedPlan } from '../../prompt/index.ts';
import type { BlockHandle } from '../../store/index.ts';
import { contextBytes, contextScope, openContext } from '../blocks/read-context.ts';
import type { EngineParts } from '../engine.ts';
import type { ContextPolicy } from '../policy/policy.ts';
import { selectedWithin } from '../policy/select.ts';
import type { Selection } from '../types.ts';
import { splitPlan } from './answer-plan.ts';
import { answerTokens, textLogprob } from './score-texts.ts';

export interface SelectOptions {
  readonly priority: number;
  readonly group: string | undefined;
  /** Whether what was read of an earlier question behind the same passage may be gone on from. */
  readonly reuse: boolean;
  readonly signal: AbortSignal;
}

/** Some blocks of a plan, in an order of their own, and the final one. */
interface Reading {
  readonly plan: TokenizedPlan;
  /** Pins the plan's blocks but the final one. */
  readonly handles: readonly BlockHandle[];
  readonly context: readonly Int32Array[];
}

export interface SelectedContext extends Selection {
  /** What the answer is read from: of passages the likeliest last, next to the question. */
  readonly reading: Reading;
  /** What choosing took. */
  readonly flops: { readonly linear: number; readonly total: number };
}

export interface SelectWork {
  /** Bytes that choosing takes, which the caller reserves, and which are free again when it is done. */
  readonly bytes: number;
  /**
   * @param handles pin the plan's blocks but the final one
   * @throws ABORTED, MODEL_TOO_LARGE, BLOCK_DAMAGED
   */
  run(handles: readonly BlockHandle[], options: SelectOptions): Promise<SelectedContext>;
}

/** Undefined where there is nothing to choose: then every passage is read. */
export function selectWork(
  parts: EngineParts,
  plan: TokenizedPlan,
  policy: ContextPolicy | null,
): SelectWork | undefined {
  const wanted = policy?.select ?? 0;
  if (wanted === 0) return undefined;
  const passages = selectable(plan);
  if (passages.length < 2) return undefined;
  const refusal = answerTokens(notInDocuments, plan.answerAfterSpace, parts.tokenizer);
  const ownTokens = parts.source.growingLayout.padded(splitPlan(plan).question.length + refusal.length);
  const alone = passages.map((index) => without(plan, passages, [index]));
  return {
    bytes: alone.reduce(
      (sum, order) => sum + contextBytes(parts, reading(plan, [], order).context, ownTokens, undefined),
      0,
    ),
    async run(handles, options) {
      const started = performance.now();
      const readings = alone.map((order) => reading(plan, handles, order));
      const found = await readAlone(parts, readings, { policy, ownTokens, refusal, ...options });
      const doubts = found.map(({ logprob }) => logprob);
      const ranked = passages.map((index, at) => ({ index, doubt: doubts[at] ?? 0 })).sort((a, b) => a.doubt - b.doubt);
      const limit = (ranked[0]?.doubt ?? 0) + selectedWithin;
      const close = ranked.filter(({ doubt }, at) => at === 0 || doubt < limit);
      const chosen = close.slice(0, wanted).map(({ index }) => index);
      return {
        passages: passages.map((index, at) => ({
          id: plan.blocks[index]?.id ?? String(index),
          relevance: Math.max(0, -(doubts[at] ?? 0)),
          read: chosen.includes(index),
        })),
        ms: performance.now() - started,
        reading: reading(plan, handles, without(plan, passages, chosen.reverse())),
        flops: {
          linear: found.reduce((sum, { flops }) => sum + flops.linear, 0),
          total: found.reduce((sum, { flops }) => sum + flops.total, 0),
        },
      };
    },
  };
}

/** @param order indexes of the blocks before the final one */
function reading(plan: TokenizedPlan, handles: readonly BlockHandle[], order: readonly number[]): Reading {
  const own = { ...plan, blocks: [...order.flatMap((index) => plan.blocks[index] ?? []), ...plan.blocks.slice(-1)] };
  return { plan: own, handles: order.flatMap((index) => handles[index] ?? []), context: splitPlan(own).context };
}

/** Passages but one that stands first: a prompt's first block is encoded as such, and stays. */
function selectable({ blocks }: TokenizedPlan): number[] {
  return blocks.slice(0, -1).flatMap(({ kind }, index) => (kind === 'passage' && index > 0 ? [index] : []));
}

/** Indexes of the context's blocks with `chosen` where the first passage was, and no other passage. */
function without({ blocks }: TokenizedPlan, passages: readonly number[], chosen: readonly number[]): number[] {
  const [first] = passages;
  return blocks
    .slice(0, -1)
    .flatMap((_, index) => (index === first ? chosen : passages.includes(index) ? [] : [index]));
}

interface ReadAloneOptions extends SelectOptions {
  readonly policy: ContextPolicy | null;
  readonly ownTokens: number;
  readonly refusal: Int32Array;
}

interface Doubt {
  /** Logarithm of the refusal's probability. */
  readonly logprob: number;
  /** Of reading it. */
  readonly flops: Flops;
}

/** A context that a question is about to be read behind. */
interface Opened {
  readonly sequence: Sequence;
  /** Names the context among the prefixes. */
  readonly scope: string;
  /** Of the context. */
  readonly before: number;
  /** Of the question, and of the refusal but for its last one, which is predicted, never read. */
  readonly tokens: Int32Array;
  /** Of these, taken over from an earlier question. */
  readonly reused: number;
  /** The sequence is the prefixes' from here on. */
  kept: boolean;
}

/**
 * How likely the refusal is behind each of some contexts. What stands before a question is the same for every question
 * (the layout's own words, half of what is read), so the first one behind a context is kept among the prefixes, and
 * later ones go on from there.
 */
async function readAlone(
  parts: EngineParts,
  readings: readonly Reading[],
  { policy, ownTokens, refusal, reuse, ...options }: ReadAloneOptions,
): Promise<Doubt[]> {
  const { runner, prefixes, budget } = parts;
  const { epoch } = prefixes;
  using cleanup = new Cleanup();
  // Copies take turns with batches: all of them first, or the questions are read one by one.
  const opened: Opened[] = [];
  for (const { plan, handles, context } of readings) {
    const read = { plan, policy, work: undefined, handles, context, ownTokens, signal: options.signal };
    const { sequence, release } = await openContext(parts, read);
    const { question, contextTokens } = splitPlan(plan);
    const scope = contextScope(options.group, handles, policy);
    cleanup.defer(() => {
      if (!one.kept) sequence.dispose();
      release();
    });
    const reused = reuse ? await prefixes.restore(runner, scope, question, sequence) : 0;
    const tokens = concatenate([question, refusal.subarray(0, -1)]);
    const one: Opened = { sequence, scope, before: contextTokens + reused, tokens, reused, kept: false };
    opened.push(one);
  }
  // All of them end before any block may be let go of.
  const settled = await Promise.allSettled(
    opened.map(({ sequence, tokens, reused }) =>
      runner.prompt(sequence, tokens.subarray(reused), { logits: refusal.length, ...options }),
    ),
  );
  const logits = settled.map((one) => {
    if (one.status === 'rejected') throw one.reason;
    return one.value.logits;
  });
  return opened.map((one, at) => {
    const { sequence, scope, before, tokens, reused } = one;
    // Not of a model whose sequences go on from their ends alone: no other question begins with this one.
    const kept = reuse && prefixes.enabled && reused === 0 && sequence.holds(1);
    const room = kept ? budget.reserveFree(sequence.bytes) : undefined;
    if (room !== undefined) {
      one.kept = true;
      prefixes.offer(scope, epoch, tokens, sequence, room).finish(tokens);
    }
    return {
      logprob: textLogprob(logits[at] ?? new Float32Array(0), refusal),
      flops: promptFlops(parts.model.hyperParameters, before, tokens.length - reused, refusal.length),
    };
  });
}
