/** What each block of a prompt is, for chips and the mask. */
import type { Account, Plan, PlanBlock } from '../api/types.ts';

export interface NamedBlock {
  readonly name: string;
  readonly kind: PlanBlock['kind'];
  readonly tokens: number;
  /** hit or miss of the last answer; before one, what the store holds now. */
  readonly status: 'hit' | 'miss' | 'stored' | 'new' | 'final';
  readonly tier: string | undefined;
  readonly bytes: number | undefined;
  readonly ms: number | undefined;
}

/** @param titles of the passages, in prompt order
 *  @param account of the last answer to this very prompt */
export function nameBlocks(plan: Plan, titles: readonly string[], account: Account | undefined): NamedBlock[] {
  let passage = 0;
  return plan.blocks.map((block, index) => {
    const { kind, tokens, cached } = block;
    const name = kind === 'passage' ? titles[passage++] || `Passage ${passage}` : kindNames[kind];
    const served = kind === 'final' ? undefined : account?.blocks[index];
    return {
      name,
      kind,
      tokens,
      status: kind === 'final' ? 'final' : (served?.status ?? (cached === null ? 'new' : 'stored')),
      tier: served ? (served.status === 'hit' ? served.tier : undefined) : (cached ?? undefined),
      bytes: served?.bytes,
      ms: served?.ms,
    };
  });
}

const kindNames: Record<PlanBlock['kind'], string> = {
  system: 'Beginning',
  passage: 'Passage',
  turn: 'Earlier turn',
  text: 'Text',
  final: 'Question',
};
