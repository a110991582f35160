/** What a policy does to a prompt's blocks between fetching them and reading the final block, and how that reads them. */
import { BlockAttentionError } from '../../errors.ts';
import type { KvLayout } from '../../model/index.ts';
import type { PlannedBlock } from '../../prompt/index.ts';
import { type Hideable, hideHeads } from './hide.ts';
import { type ContextPolicy, runsOn } from './policy.ts';
import { formatRecomputation, type Recomputation } from './recompute.ts';
import {
  type RecomputedContext,
  type RecomputeOptions,
  recomputeBytes,
  recomputeContext,
  type StoredContext,
} from './recompute-context.ts';

export interface ContextWork {
  readonly how: Recomputation;
  /** Token ids of the final block. */
  readonly question: Int32Array;
  /** Most bytes that it takes while the request runs, where blocks are read as they are stored. */
  readonly bytes: number;
  /** To be disposed when the request ends. @throws ABORTED */
  run(options: Omit<RecomputeOptions, 'question'>, stored: readonly StoredContext[]): Promise<RecomputedContext>;
}

/** Whether tokens of stored blocks can be computed again: what stood before them is to be known. */
export function recomputes({ tails }: KvLayout): boolean {
  return tails.length === 0;
}

/** @throws INVALID_ARGUMENT for a policy that computes again what a model's blocks do not allow */
export function checkRecomputation(policy: ContextPolicy, layout: KvLayout): void {
  const { recompute } = policy;
  if (recompute === null || runsOn(policy, { recomputes: recomputes(layout) })) return;
  throw new BlockAttentionError(
    'INVALID_ARGUMENT',
    `policy ${formatRecomputation(recompute)} computes tokens of a passage again, for which short convolutions need the tokens before each, and blocks keep the last ones alone: leave it out, or use an anchor (anchor:header, anchor:200)`,
  );
}

/**
 * Undefined where there is nothing to do: then the stored blocks are read as they are.
 * @param prompt token ids of the blocks before the final one, in order, and of that
 * @param layouts of the engine's blocks
 * @throws INVALID_ARGUMENT where the model cannot do it
 */
export function contextWork(
  policy: ContextPolicy | null,
  { context, question }: { readonly context: readonly Int32Array[]; readonly question: Int32Array },
  layouts: Pick<RecomputeOptions, 'growingLayout'>,
): ContextWork | undefined {
  if (policy !== null) checkRecomputation(policy, layouts.growingLayout);
  const how = policy?.recompute ?? null;
  // The first block has nothing before it.
  if (how === null || context.length < 2) return undefined;
  return {
    how,
    question,
    bytes: recomputeBytes({ ...layouts, question }, how, context),
    run: (options, stored) => recomputeContext({ ...options, question }, how, stored),
  };
}

/**
 * The context blocks as the final block reads them under a policy.
 * @param planned the prompt's blocks, in the order of `context`
 */
export function asRead<B extends Hideable>(
  policy: ContextPolicy | null,
  planned: readonly Pick<PlannedBlock, 'kind'>[],
  context: readonly B[],
): B[] {
  return hideHeads(policy?.hide ?? 0, planned, context);
}
