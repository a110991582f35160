/**
 * Hidden heads, a part of a context policy: the final block, and the answer behind it, do not see the first tokens of
 * later blocks, where a passage encoded apart has an attention sink of its own. Nothing is encoded or stored otherwise,
 * so blocks do not depend on it. Knows blocks by their kind, not how attention leaves tokens out.
 */
import type { PlannedBlock } from '../../prompt/index.ts';
import { type PartReader, wholeIn } from './read-part.ts';

/** More than a sink has; blocks are short. */
const mostHidden = 64;

export const hideForms = 'hide:TOKENS';

/** Reads `hide:4`; `hide:0` hides nothing. @throws INVALID_ARGUMENT */
export const readHide: PartReader<number> = (text, value) =>
  wholeIn(text, value, { what: 'the hidden tokens of each block', min: 0, max: mostHidden });

export function formatHide(tokens: number): string {
  return `hide:${tokens}`;
}

/** A block of a context: its tokens, or how many it has. */
export interface Hideable {
  readonly tokens: Int32Array | number;
  /** Its first tokens that the final block does not see. Defaults to 0. */
  readonly hidden?: number | undefined;
}

/**
 * The context as a final block sees it. The first block keeps its head, the prompt's own sink; so do pieces of a question,
 * every word of which counts. A block with no more tokens than that is not seen at all.
 * @param hide first tokens of every other block; 0 for none
 */
export function hideHeads<B extends Hideable>(
  hide: number,
  planned: readonly Pick<PlannedBlock, 'kind'>[],
  context: readonly B[],
): B[] {
  return context.map((block, index) =>
    hide === 0 || index === 0 || planned[index]?.kind === 'text' ? block : { ...block, hidden: hide },
  );
}
