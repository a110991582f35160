/**
 * Fewer pieces of the same text: the shortest is joined to its left neighbour until no more than the cap remain
 * (as the paper's released code does). Order and characters are unchanged.
 */

interface Piece {
  text: string;
  left: Piece | undefined;
  right: Piece | undefined;
  readonly index: number;
  /** Raised when the piece grows, so that older heap entries are known to be stale; -1 once it is gone. */
  version: number;
}

interface Entry {
  readonly piece: Piece;
  readonly length: number;
  readonly version: number;
}

/** Shorter first, earlier first. */
function before(a: Entry, b: Entry): boolean {
  return a.length !== b.length ? a.length < b.length : a.piece.index < b.piece.index;
}

/**
 * At most `cap` pieces. The first piece has no left neighbour and is joined to its right one. O(n log n).
 * `cap` is a positive integer.
 */
export function mergeShortest(texts: readonly string[], cap: number): string[] {
  if (texts.length <= cap) return [...texts];
  const pieces = texts.map<Piece>((text, index) => ({ text, left: undefined, right: undefined, index, version: 0 }));
  for (const [index, piece] of pieces.entries()) {
    piece.left = pieces[index - 1];
    piece.right = pieces[index + 1];
  }
  const heap: Entry[] = [];
  for (const piece of pieces) push(heap, { piece, length: piece.text.length, version: 0 });
  for (let count = pieces.length; count > cap; ) {
    const shortest = pop(heap);
    if (shortest === undefined) break;
    const { piece, version } = shortest;
    if (piece.version !== version) continue;
    const [kept, gone] = piece.left === undefined ? [piece, piece.right] : [piece.left, piece];
    if (gone === undefined) break;
    kept.text += gone.text;
    kept.right = gone.right;
    if (gone.right !== undefined) gone.right.left = kept;
    gone.version = -1;
    kept.version++;
    push(heap, { piece: kept, length: kept.text.length, version: kept.version });
    count--;
  }
  return pieces.filter(({ version }) => version >= 0).map(({ text }) => text);
}

function push(heap: Entry[], entry: Entry): void {
  let at = heap.length;
  heap.push(entry);
  while (at > 0) {
    const parent = (at - 1) >> 1;
    const above = heap[parent];
    if (above === undefined || !before(entry, above)) break;
    heap[at] = above;
    at = parent;
  }
  heap[at] = entry;
}

function pop(heap: Entry[]): Entry | undefined {
  const top = heap[0];
  const last = heap.pop();
  if (last === undefined || heap.length === 0) return top;
  let at = 0;
  for (;;) {
    const left = heap[2 * at + 1];
    const right = heap[2 * at + 2];
    const useRight = left !== undefined && right !== undefined && before(right, left);
    const child = useRight ? right : left;
    if (child === undefined || !before(child, last)) break;
    heap[at] = child;
    at = 2 * at + (useRight ? 2 : 1);
  }
  heap[at] = last;
  return top;
}
