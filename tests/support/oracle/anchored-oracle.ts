/**
 * What block mode with anchored blocks must agree with: one dense forward in which every passage has a copy of the anchor
 * before it that it alone sees, and the final block sees the passages, but what of them is hidden, and no anchor. A
 * convolution starts with each block, at its anchor if it has one; the final block's goes on from the last of them.
 */
import type { ForwardHarness } from './forward-harness.ts';
import { maskedForward } from './masked-forward.ts';

interface Row {
  readonly token: number;
  readonly position: number;
  readonly from?: number;
  readonly block: number;
  readonly part: 'anchor' | 'block' | 'hidden' | 'final';
  readonly begins: boolean;
}

/**
 * Logits of the last token of `final` behind blocks of which all but the first were encoded behind the anchor, and by the
 * model's writer.
 * @param anchor what all of them stand behind, or each of the blocks by itself
 * @param hidden per block, how many of its first tokens the final block does not see; none by default
 */
export function anchoredLogits(
  harness: ForwardHarness,
  blocks: readonly Int32Array[],
  anchor: Int32Array | readonly Int32Array[],
  final: Int32Array,
  hidden: readonly number[] = [],
): Promise<Float32Array> {
  let start = 0;
  const rows = blocks.flatMap((tokens, block): Row[] => {
    const copy = block === 0 ? [] : Array.from(anchor instanceof Int32Array ? anchor : (anchor[block] ?? []));
    const before = copy.map((token, i): Row => {
      const place = { position: start - copy.length + i, from: start - copy.length };
      return { token, ...place, block, part: 'anchor', begins: i === 0 };
    });
    const own = Array.from(tokens, (token, i): Row => {
      const part = i < (hidden[block] ?? 0) ? 'hidden' : 'block';
      return { token, position: start + i, from: start, block, part, begins: i === 0 && copy.length === 0 };
    });
    start += tokens.length;
    return [...before, ...own];
  });
  const last = Array.from(final, (token, i): Row => {
    return { token, position: start + i, block: -1, part: 'final', begins: false };
  });
  const sees = (query: Row, key: Row) => {
    if (key.position > query.position) return false;
    if (query.part === 'final') return key.part === 'block' || key.part === 'final';
    if (query.part === 'anchor' && key.part !== 'anchor') return false;
    return key.block === query.block;
  };
  return maskedForward(harness, [...rows, ...last], sees, ({ part, block }) => part !== 'anchor' && block > 0);
}
