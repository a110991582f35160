/**
 * Which passages an answer is read from, where its policy chooses (`select:K`): the final block is read behind every
 * passage alone, beside what is not a passage, and those stay behind which "the documents do not answer this" is least
 * likely. Their states are there; what is computed is the question, once per passage, in batches.
 *
 * Knows a plan and its pinned blocks; not how the answer is made. Invariant: no sequence outlives the call, however it ends.
 */
import { concatenate, promptFlops } from '../../model/index.ts';
import { notInDocuments, type TokenizedPlan } from '../../prompt/index.ts';
import type { BlockHandle } from '../../store/index.ts';
import { contextBytes, openContext } from '../blocks/read-context.ts';
import type { EngineParts } from '../engine.ts';
import type { ContextPolicy } from '../policy/policy.ts';
import type { Selection } from '../types.ts';
import { splitPlan } from './answer-plan.ts';
import { answerTokens, scoreTexts } from './score-texts.ts';

export interface SelectRequest {
  readonly plan: TokenizedPlan;
  readonly policy: ContextPolicy | null;
  /** Pins the plan's blocks but the final one. */
  readonly handles: readonly BlockHandle[];
  readonly priority: number;
  readonly group: string | undefined;
  readonly signal: AbortSignal;
}

export interface SelectedContext extends Selection {
  /** Indexes of the blocks to read, in the order to read them in: of passages the likeliest last, next to the question. */
  readonly order: readonly number[];
  /** What choosing took. */
  readonly flops: { readonly linear: number; readonly total: number };
}

/** Passages of a plan that a policy chooses among; none where it reads them all. */
export function candidates(plan: TokenizedPlan, policy: ContextPolicy | null): number[] {
  const wanted = policy?.select ?? 0;
  const passages = selectable(plan);
  return wanted === 0 || passages.length <= wanted ? [] : passages;
}

/** Bytes that choosing takes, which are free again when it is done. */
export function selectBytes(parts: EngineParts, plan: TokenizedPlan, policy: ContextPolicy | null): number {
  const passages = candidates(plan, policy);
  const { ownTokens } = asked(parts, plan);
  return passages
    .map((index) => narrowed({ plan, handles: [] }, without(plan, passages, [index])))
    .reduce((sum, { context }) => sum + contextBytes(parts, context, ownTokens, undefined), 0);
}

/**
 * The caller has reserved selectBytes().
 * @returns undefined where there is nothing to choose
 * @throws ABORTED, MODEL_TOO_LARGE, BLOCK_DAMAGED
 */
export async function selectPassages(parts: EngineParts, request: SelectRequest): Promise<SelectedContext | undefined> {
  const { plan, policy } = request;
  const passages = candidates(plan, policy);
  if (passages.length === 0) return undefined;
  const started = performance.now();
  const own = asked(parts, plan);
  const alone = passages.map((index) => narrowed(request, without(plan, passages, [index])));
  // All of them end before any block may be let go of.
  const settled = await Promise.allSettled(alone.map((one) => refusalOf(parts, request, { ...one, ...own })));
  const doubts = settled.map((one) => {
    if (one.status === 'rejected') throw one.reason;
    return one.value;
  });
  const ranked = passages.map((index, at) => ({ index, doubt: doubts[at] ?? 0 })).sort((a, b) => a.doubt - b.doubt);
  const chosen = ranked.slice(0, policy?.select ?? 0).map(({ index }) => index);
  return {
    passages: passages.map((index, at) => ({
      id: plan.blocks[index]?.id ?? String(index),
      relevance: Math.max(0, -(doubts[at] ?? 0)),
      read: chosen.includes(index),
    })),
    ms: performance.now() - started,
    order: without(plan, passages, chosen.reverse()),
    flops: flopsOf(parts, alone, own.question.length + own.refusal.length - 1),
  };
}

/** What is read behind every passage. */
function asked({ source, tokenizer }: EngineParts, plan: TokenizedPlan) {
  const { question } = splitPlan(plan);
  const refusal = answerTokens(notInDocuments, plan.answerAfterSpace, tokenizer);
  return { question, refusal, ownTokens: source.growingLayout.padded(question.length + refusal.length) };
}

/** A plan and its blocks in another selection. @param order indexes of the blocks before the final one */
export function narrowed<T extends Pick<SelectRequest, 'plan' | 'handles'>>(
  { plan, handles }: T,
  order: readonly number[],
): { readonly plan: TokenizedPlan; readonly handles: readonly BlockHandle[]; readonly context: readonly Int32Array[] } {
  const last = plan.blocks.slice(-1);
  const blocks = [...order.flatMap((index) => plan.blocks[index] ?? []), ...last];
  const own = { ...plan, blocks };
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

type Alone = ReturnType<typeof narrowed> & ReturnType<typeof asked>;

/** Logarithm of the refusal's probability behind these blocks. */
async function refusalOf(
  parts: EngineParts,
  { policy, priority, group, signal }: SelectRequest,
  { plan, handles, context, ownTokens, question, refusal }: Alone,
): Promise<number> {
  const opened = { plan, policy, work: undefined, handles, context, ownTokens, signal };
  const { sequence, release } = await openContext(parts, opened);
  try {
    const { runner, tokenizer } = parts;
    const { logits } = await runner.prompt(sequence, question, { logits: 'last', priority, group, signal });
    const scoring = { runner, tokenizer, sequence, logits, priority, group, signal };
    const [score] = await scoreTexts([refusal], scoring);
    return score?.logprob ?? 0;
  } finally {
    sequence.dispose();
    release();
  }
}

function flopsOf({ model }: EngineParts, alone: readonly { readonly context: readonly Int32Array[] }[], own: number) {
  let linear = 0;
  let total = 0;
  for (const { context } of alone) {
    const before = concatenate(context).length;
    const one = promptFlops(model.hyperParameters, before, own);
    linear += one.linear;
    total += one.total;
  }
  return { linear, total };
}
