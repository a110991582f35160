/**
 * The context of one answer, ready to be read: a sequence over its pinned blocks, with what the policy computes again.
 *
 * Where attention reads blocks as they are stored, the sequence points at them. Where it reads rows, they are gathered
 * into rows of the sequence's own, and tokens are computed again there.
 */
import { Sequence } from '../../model/index.ts';
import type { TokenizedPlan } from '../../prompt/index.ts';
import type { BlockHandle } from '../../store/index.ts';
import type { EngineParts } from '../engine.ts';
import { asRead, type ContextWork } from '../policy/context-work.ts';
import { type ContextPolicy, readingPart } from '../policy/policy.ts';
import type { RecomputedContext, StoredContext } from '../policy/recompute-context.ts';
import { recomputeRows, recomputeRowsBytes } from '../policy/recompute-rows.ts';
import { prefixScope } from './prefix-cache.ts';

export interface ContextRequest {
  readonly plan: TokenizedPlan;
  readonly policy: ContextPolicy | null;
  readonly work: ContextWork | undefined;
  readonly handles: readonly BlockHandle[];
  /** Token ids of the blocks that `handles` pin. */
  readonly context: readonly Int32Array[];
  readonly ownTokens: number;
  readonly signal: AbortSignal;
}

export interface OpenContext {
  /** To be disposed, before `release()`. */
  readonly sequence: Sequence;
  readonly recomputed: Pick<RecomputedContext, 'tokens' | 'flops'> | undefined;
  readonly release: () => void;
}

/** Names what a final block is read behind, among the kept prefixes: the blocks in their order, and how they are read. */
export function contextScope(
  tenant: string | undefined,
  handles: readonly BlockHandle[],
  policy: ContextPolicy | null,
): string {
  const keys = handles.map(({ key }) => key);
  return prefixScope(tenant ?? '', keys, policy === null ? '' : readingPart(policy));
}

/** Bytes that a request takes for states of its own. @param context token ids of the blocks before the final one */
export function contextBytes(
  { model, source }: Pick<EngineParts, 'model' | 'source'>,
  context: readonly Int32Array[],
  ownTokens: number,
  work: ContextWork | undefined,
): number {
  const before = context.reduce((sum, { length }) => sum + length, 0);
  const own = source.sequenceBytes(before, ownTokens);
  if (work === undefined) return own;
  return own + (source.gathers ? recomputeRowsBytes(model, source.layout.type, work.how, before) : work.bytes);
}

/** @throws ABORTED, MODEL_TOO_LARGE, BLOCK_DAMAGED */
export async function openContext(parts: EngineParts, request: ContextRequest): Promise<OpenContext> {
  return parts.source.gathers ? openGathered(parts, request) : openInPlace(parts, request);
}

async function openInPlace(
  { model, runner, source, attention }: EngineParts,
  { plan, policy, work, handles, context, ownTokens, signal }: ContextRequest,
): Promise<OpenContext> {
  const whole = handles.map(
    (handle, i): StoredContext => ({ memory: source.memoryOf(handle), tokens: context[i] ?? new Int32Array(0) }),
  );
  const stored = asRead(policy, plan.blocks, whole);
  const layouts = { layout: source.layout, growingLayout: source.growingLayout };
  const recomputed = await work?.run({ model, runner, attention, ...layouts, signal }, stored);
  const release = () => recomputed?.[Symbol.dispose]();
  try {
    if (recomputed) source.ensureWhole(handles);
    const blocks = recomputed?.blocks ?? stored.map((block) => ({ ...block, tokens: block.tokens.length }));
    return { sequence: new Sequence(model.backend, source.growingLayout, blocks, ownTokens), recomputed, release };
  } catch (error) {
    release();
    throw error;
  }
}

async function openGathered(
  { model, runner, source }: EngineParts,
  { plan, policy, work, handles, context, ownTokens, signal }: ContextRequest,
): Promise<OpenContext> {
  const read = asRead(
    policy,
    plan.blocks,
    context.map((tokens) => ({ tokens: tokens.length })),
  );
  const blocks = read.map((block, i) => ({ ...block, handle: handles[i] }));
  const sequence = await source.gather(blocks, ownTokens, { signal });
  try {
    const again = work && { model, runner, sequence, context, question: work.question, signal };
    const recomputed = again && (await recomputeRows(again, work.how));
    return { sequence, recomputed, release: () => undefined };
  } catch (error) {
    sequence.dispose();
    throw error;
  }
}
