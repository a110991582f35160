/**
 * The tokens of a neighbour: the end of the passage that stands before another in its document, as it would stand in the
 * prompt. Passages that begin their document, or whose document nobody knows, have none, and are encoded behind the anchor
 * alone.
 */
import {
  type BlockPlan,
  type PlannedBlock,
  type PreviousPassage,
  planRag,
  type TokenizedPlan,
  tokenizePlan,
  tokenizePlanAside,
} from '../../prompt/index.ts';
import { checkBytes } from '../answer/check-bytes.ts';
import type { EngineParts } from '../engine.ts';
import { type ContextPolicy, seesNeighbour } from './policy.ts';

/** Per block, what it is encoded behind besides the anchor; undefined where that is nothing. */
export type Tails = readonly (Int32Array | undefined)[];

type Blocks = readonly Pick<PlannedBlock, 'id' | 'previous'>[];

/**
 * Of the blocks of a plan, off the calling thread.
 * @throws CONTEXT_OVERFLOW for a passage before another that has more tokens than the context
 */
export async function tailsOf(
  { tokenizer, template, memo, contextTokens }: Pick<EngineParts, 'tokenizer' | 'template' | 'memo' | 'contextTokens'>,
  policy: ContextPolicy | null,
  blocks: Blocks,
): Promise<Tails> {
  const passages = previousOf(policy, blocks);
  if (passages.length === 0) return [];
  for (const passage of passages)
    checkNeighbour(passage, { tokenizer, contextTokens }, `block ${JSON.stringify(passage.id)}`);
  const plan = planOf(passages, { tokenizer, template });
  return cut(policy, blocks, await tokenizePlanAside(plan, tokenizer, memo, { maxTokens: contextTokens }));
}

/** Before anything reads it. @param name what errors call it @throws CONTEXT_OVERFLOW */
export function checkNeighbour(
  previous: PreviousPassage | undefined,
  { tokenizer, contextTokens }: Pick<EngineParts, 'tokenizer' | 'contextTokens'>,
  name: string,
): void {
  checkBytes(tokenizer, [previous?.title, previous?.text], contextTokens, name);
}

/** The same at once, and nothing is remembered. */
export function tailsNow(
  { tokenizer, template }: Pick<EngineParts, 'tokenizer' | 'template'>,
  policy: ContextPolicy,
  blocks: Blocks,
): Tails {
  const passages = previousOf(policy, blocks);
  if (passages.length === 0) return [];
  return cut(policy, blocks, tokenizePlan(planOf(passages, { tokenizer, template }), tokenizer));
}

function previousOf(policy: ContextPolicy | null, blocks: Blocks): (PreviousPassage & { readonly id: string })[] {
  if (policy === null || !seesNeighbour(policy)) return [];
  return blocks.flatMap(({ id, previous }) => (previous ? { ...previous, id: `what stands before ${id}` } : []));
}

function planOf(
  passages: readonly PreviousPassage[],
  { tokenizer, template }: Pick<EngineParts, 'tokenizer' | 'template'>,
): BlockPlan {
  return planRag({ template, passages, question: '?' }, tokenizer);
}

/** @param made of the passages before, in the order of their blocks, between an instruction and a question */
function cut(policy: ContextPolicy | null, blocks: Blocks, made: TokenizedPlan): Tails {
  const most = policy?.neighbour ?? 0;
  const tokens = made.blocks.slice(0, -1).map((one) => one.tokens);
  const known = blocks.filter(({ previous }) => previous).length;
  let next = tokens.length - known;
  return blocks.map(({ previous }) => (previous ? tokens[next++]?.slice(-most) : undefined));
}
