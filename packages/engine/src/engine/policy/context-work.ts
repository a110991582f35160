/** What a policy does to a prompt's blocks between fetching them and reading the final block, and how that reads them. */
import type { ContextBlock } from '../../model/index.ts';
import type { PlannedBlock } from '../../prompt/index.ts';
import { hideHeads } from './hide.ts';
import type { ContextPolicy } from './policy.ts';
import type { Recomputation } from './recompute.ts';
import {
  type RecomputedContext,
  type RecomputeOptions,
  recomputeBytes,
  recomputeContext,
  type StoredContext,
} from './recompute-context.ts';

export interface ContextWork {
  readonly how: Recomputation;
  /** Most bytes that it takes while the request runs, where blocks are read as they are stored. */
  readonly bytes: number;
  /** To be disposed when the request ends. @throws ABORTED */
  run(options: RecomputeOptions, stored: readonly StoredContext[]): Promise<RecomputedContext>;
}

/**
 * Undefined where there is nothing to do: then the stored blocks are read as they are.
 * @param context token ids of the blocks before the final one, in order
 * @param layouts of the engine's blocks
 */
export function contextWork(
  policy: ContextPolicy | null,
  context: readonly Int32Array[],
  layouts: Pick<RecomputeOptions, 'growingLayout'>,
): ContextWork | undefined {
  const how = policy?.recompute ?? null;
  // The first block has nothing before it.
  if (how === null || context.length < 2) return undefined;
  return {
    how,
    bytes: recomputeBytes(layouts, context),
    run: (options, stored) => recomputeContext(options, how, stored),
  };
}

/**
 * The context blocks as the final block reads them under a policy.
 * @param planned the prompt's blocks, in the order of `context`
 */
export function asRead<B extends Pick<ContextBlock, 'tokens' | 'hidden'>>(
  policy: ContextPolicy | null,
  planned: readonly Pick<PlannedBlock, 'kind'>[],
  context: readonly B[],
): B[] {
  return hideHeads(policy?.hide ?? 0, planned, context);
}
