/**
 * Context sections that arrive as plain text, cut into a block per source. The texts stay as they are: the blocks joined
 * are the same prompt, and what stands between sources is a block of its own, so that a source is the same block at any
 * place, in any company, under any number.
 */

import { type BlockPlan, block, type PlannedBlock, plain, type Segment } from '../types.ts';
import { findSources } from './context-shapes.ts';

export interface SourcedPlan {
  readonly plan: BlockPlan;
  /** Whether the final block was cut. */
  readonly inFinal: boolean;
}

/** Cuts what stands before the conversation, and the final block. A plan without sources comes back as it is. */
export function splitSources(plan: BlockPlan): SourcedPlan {
  const blocks: PlannedBlock[] = [];
  let sources = 0;
  let inFinal = false;
  for (const planned of plan.blocks) {
    const cut = planned.kind === 'system' || planned.kind === 'final' ? cutBlock(planned, sources) : undefined;
    blocks.push(...(cut?.blocks ?? [planned]));
    sources += cut?.sources ?? 0;
    if (cut && planned.kind === 'final') inFinal = true;
  }
  return sources === 0 ? { plan, inFinal } : { plan: { ...plan, blocks }, inFinal };
}

/** @param before sources of earlier blocks, for the names */
function cutBlock(
  planned: PlannedBlock,
  before: number,
): { readonly blocks: PlannedBlock[]; readonly sources: number } | undefined {
  const blocks: PlannedBlock[] = [];
  let sources = 0;
  let held: Segment[] = [];
  const put = (made: PlannedBlock) => {
    if (made.segments.length > 0) blocks.push(made);
  };
  const last = planned.segments.findLastIndex(({ special }) => !special);
  for (const [index, segment] of planned.segments.entries()) {
    // Of a prompt that is one block, the last text is the question's.
    const where = planned.kind === 'system' || index < last ? 'system' : 'any';
    const found = segment.special ? undefined : findSources(segment.text, where);
    let from = 0;
    for (const [start, end] of found?.sources ?? []) {
      held.push(plain(segment.text.slice(from, start)));
      const first = blocks.length === 0 && planned.kind === 'system';
      put(first ? block(planned.id, 'system', held) : block(`text-${before + sources}`, 'text', held));
      held = [];
      sources += 1;
      put(block(`source-${before + sources}`, 'text', [plain(segment.text.slice(start, end))]));
      from = end;
    }
    held.push(from === 0 ? segment : plain(segment.text.slice(from)));
  }
  if (sources === 0) return undefined;
  const rest = planned.kind === 'final' ? block(planned.id, 'final', held) : block(`${planned.id}-end`, 'system', held);
  put(rest);
  return { blocks, sources };
}
