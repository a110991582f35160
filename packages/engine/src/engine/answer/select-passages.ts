/**
 * Which passages an answer is read from, where its policy chooses (`select:K`): the final block is read behind every
 * passage alone, beside what is not a passage, and those stay behind which "the documents do not answer this" is least
 * likely. Their states are there; what is computed is the question, once per passage, in batches.
 *
 * Knows a plan and its pinned blocks; not how the answer is made. Invariant: no sequence outlives the call, however it ends.
 */
import { promptFlops } from '../../model/index.ts';
import { notInDocuments, type TokenizedPlan } from '../../prompt/index.ts';
import type { BlockHandle } from '../../store/index.ts';
import { contextBytes, openContext } from '../blocks/read-context.ts';
import type { EngineParts } from '../engine.ts';
import type { ContextPolicy } from '../policy/policy.ts';
import type { Selection } from '../types.ts';
import { splitPlan } from './answer-plan.ts';
import { answerTokens, scoreTexts } from './score-texts.ts';

export interface SelectOptions {
  readonly priority: number;
  readonly group: string | undefined;
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
  if (passages.length <= wanted) return undefined;
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
      // All of them end before any block may be let go of.
      const settled = await Promise.allSettled(
        readings.map((one) => refusalOf(parts, one, { policy, ownTokens, refusal, ...options })),
      );
      const doubts = settled.map((one) => {
        if (one.status === 'rejected') throw one.reason;
        return one.value;
      });
      const ranked = passages.map((index, at) => ({ index, doubt: doubts[at] ?? 0 })).sort((a, b) => a.doubt - b.doubt);
      const chosen = ranked.slice(0, wanted).map(({ index }) => index);
      return {
        passages: passages.map((index, at) => ({
          id: plan.blocks[index]?.id ?? String(index),
          relevance: Math.max(0, -(doubts[at] ?? 0)),
          read: chosen.includes(index),
        })),
        ms: performance.now() - started,
        reading: reading(plan, handles, without(plan, passages, chosen.reverse())),
        flops: flopsOf(parts, readings, refusal.length - 1),
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

/** Logarithm of the refusal's probability behind these blocks. */
async function refusalOf(
  parts: EngineParts,
  { plan, handles, context }: Reading,
  {
    policy,
    ownTokens,
    refusal,
    ...options
  }: SelectOptions & {
    readonly policy: ContextPolicy | null;
    readonly ownTokens: number;
    readonly refusal: Int32Array;
  },
): Promise<number> {
  const { runner, tokenizer } = parts;
  const opened = { plan, policy, work: undefined, handles, context, ownTokens, signal: options.signal };
  const { sequence, release } = await openContext(parts, opened);
  try {
    const { logits } = await runner.prompt(sequence, splitPlan(plan).question, { logits: 'last', ...options });
    const [score] = await scoreTexts([refusal], { runner, tokenizer, sequence, logits, ...options });
    return score?.logprob ?? 0;
  } finally {
    sequence.dispose();
    release();
  }
}

/** @param more tokens that are read behind the question */
function flopsOf({ model }: EngineParts, readings: readonly Reading[], more: number) {
  let linear = 0;
  let total = 0;
  for (const { plan } of readings) {
    const { contextTokens, question } = splitPlan(plan);
    const one = promptFlops(model.hyperParameters, contextTokens, question.length + more);
    linear += one.linear;
    total += one.total;
  }
  return { linear, total };
}
