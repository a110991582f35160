/** Where two answers differ, word by word: a longest common subsequence. */

export interface DifferencePiece {
  readonly text: string;
  /** Whether the other answer does not have it there. */
  readonly differs: boolean;
}

/** Beyond this many words each, answers are compared by their equal beginnings and ends alone. */
const mostWords = 1500;

/** @returns the pieces of each */
export function wordDifferences(left: string, right: string): [DifferencePiece[], DifferencePiece[]] {
  const [a, b] = [words(left), words(right)];
  const same = (i: number, j: number) => a[i]?.trim() === b[j]?.trim();
  let start = 0;
  while (start < a.length && start < b.length && same(start, start)) start += 1;
  let tail = 0;
  while (tail < a.length - start && tail < b.length - start && same(a.length - 1 - tail, b.length - 1 - tail))
    tail += 1;
  const [rows, columns] = [a.length - start - tail, b.length - start - tail];
  const keptLeft = new Set<number>();
  const keptRight = new Set<number>();
  if (rows <= mostWords && columns <= mostWords) {
    const width = columns + 1;
    const length = new Uint16Array((rows + 1) * width);
    const at = (i: number, j: number) => length[i * width + j] ?? 0;
    for (let i = rows - 1; i >= 0; i--) {
      for (let j = columns - 1; j >= 0; j--) {
        length[i * width + j] = same(start + i, start + j)
          ? at(i + 1, j + 1) + 1
          : Math.max(at(i + 1, j), at(i, j + 1));
      }
    }
    for (let [i, j] = [0, 0]; i < rows && j < columns; ) {
      if (same(start + i, start + j)) {
        keptLeft.add(start + i++);
        keptRight.add(start + j++);
      } else if (at(i + 1, j) >= at(i, j + 1)) i += 1;
      else j += 1;
    }
  }
  const pieces = (all: readonly string[], kept: ReadonlySet<number>) =>
    joined(all.map((text, i) => ({ text, differs: i >= start && i < all.length - tail && !kept.has(i) })));
  return [pieces(a, keptLeft), pieces(b, keptRight)];
}

/** Words with the white space behind them; nothing is lost. */
function words(text: string): string[] {
  return text.match(/\s*\S+\s*|\s+/g) ?? [];
}

function joined(pieces: readonly DifferencePiece[]): DifferencePiece[] {
  const out: DifferencePiece[] = [];
  for (const piece of pieces) {
    const last = out.at(-1);
    if (last?.differs === piece.differs) out[out.length - 1] = { ...last, text: last.text + piece.text };
    else out.push(piece);
  }
  return out;
}
