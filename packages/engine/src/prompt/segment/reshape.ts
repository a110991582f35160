/**
 * Other cuts of a finished plan. Texts stay as they are: the blocks joined are the same prompt.
 */

import { type BlockPlan, block, type PlannedBlock, type Segment } from '../types.ts';
import { occurrences } from './find-text.ts';
import { segmentTextAside } from './segment-text.ts';

/**
 * Earlier turns as the beginning of the final block: they see the passages and each other, as in full attention, and
 * what one turn computed is the beginning of the next. Cut as blocks, they would be encoded alone.
 */
export function turnsIntoFinal(plan: BlockPlan): BlockPlan {
  const first = plan.blocks.findIndex(({ kind }) => kind === 'turn' || kind === 'final');
  const segments = plan.blocks.slice(first).flatMap((planned) => planned.segments);
  return { ...plan, blocks: [...plan.blocks.slice(0, first), block('final', 'final', segments)] };
}

/**
 * The beginning of the answer, given: the model goes on behind it. Nothing in it is a control token.
 * @param text not empty; white space at its end stays, and the model rarely goes on well behind it
 */
export function beginAnswer(plan: BlockPlan, text: string): BlockPlan {
  const { answerAfterSpace, ...rest } = plan;
  const final = plan.blocks.at(-1);
  if (final === undefined) return plan;
  const given: Segment = { text: answerAfterSpace ? ` ${text}` : text, special: false };
  return { ...rest, blocks: [...plan.blocks.slice(0, -1), block(final.id, 'final', [...final.segments, given])] };
}

/** The beginning of the answer, given, in which control tokens may be spelled where a segment says so. */
export function beginMarkup(plan: BlockPlan, given: readonly Segment[]): BlockPlan {
  const final = plan.blocks.at(-1);
  if (final === undefined) return plan;
  const segments = [...final.segments, ...given];
  return { ...plan, blocks: [...plan.blocks.slice(0, -1), block(final.id, 'final', segments)] };
}

/** Characters below which a text is not cut: blocks of a few words lose more than they save. */
const leastText = 1024;

/**
 * Cuts a long question by the paper's delimiters: its pieces but the last become blocks of kind `text`.
 * @param question as the plan has it; a plan in which it cannot be found is returned as it is
 */
export async function splitQuestion(plan: BlockPlan, question: string): Promise<BlockPlan> {
  const final = plan.blocks.at(-1);
  const pieces = question.length < leastText ? [] : await segmentTextAside(question);
  const at = final?.segments.findLastIndex(({ text, special }) => !special && placeOf(question, text) >= 0) ?? -1;
  const holder = final?.segments[at];
  if (pieces.length < 2 || final === undefined || holder === undefined) return plan;
  const start = placeOf(question, holder.text);
  const plain = (text: string): Segment => ({ text, special: false });
  const last = pieces.length - 1;
  const blocks = pieces.map((piece, index): PlannedBlock => {
    const before = index === 0 ? [...final.segments.slice(0, at), plain(holder.text.slice(0, start))] : [];
    const after =
      index === last ? [plain(holder.text.slice(start + question.length)), ...final.segments.slice(at + 1)] : [];
    const segments = [...before, plain(piece), ...after];
    return index === last ? block('final', 'final', segments) : block(`text-${index}`, 'text', segments);
  });
  return { ...plan, blocks: [...plan.blocks.slice(0, -1), ...blocks] };
}

/** Characters that layouts put behind a question at most. */
const mostBehind = 64;

/** Where a question stands in its segment: near the end, or the last of all its places; -1 when it is not there. */
function placeOf(question: string, text: string): number {
  const last = text.length - question.length;
  for (let at = last; at >= Math.max(0, last - mostBehind); at--) if (text.startsWith(question, at)) return at;
  let found = -1;
  for (const at of occurrences(text, question)) found = at;
  return found;
}
