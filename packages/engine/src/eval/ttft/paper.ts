/**
 * The paper's time and operations to the first token (arXiv 2409.15355, section on efficiency): an 8B model on one
 * GPU, a question of 50 tokens, all passages cached; loading, rotation and merging not counted, and of the operations
 * the linear layers alone.
 */
export interface PaperRow {
  readonly tokens: number;
  readonly fullMs: number;
  readonly blockMs: number;
  /** Published for the shortest and the longest prompt. */
  readonly fullFlops?: number;
  readonly blockFlops: number;
}

export const paperRows: readonly PaperRow[] = [
  { tokens: 50, fullMs: 26, blockMs: 26, fullFlops: 7.5e11, blockFlops: 7.5e11 },
  { tokens: 512, fullMs: 50, blockMs: 26, blockFlops: 7.5e11 },
  { tokens: 1024, fullMs: 87, blockMs: 26, blockFlops: 7.5e11 },
  { tokens: 2048, fullMs: 167, blockMs: 26, blockFlops: 7.5e11 },
  { tokens: 4096, fullMs: 330, blockMs: 27, blockFlops: 7.5e11 },
  { tokens: 8192, fullMs: 691, blockMs: 29, blockFlops: 7.5e11 },
  { tokens: 16384, fullMs: 1515, blockMs: 34, blockFlops: 7.5e11 },
  { tokens: 32768, fullMs: 3638, blockMs: 45, fullFlops: 4.9e14, blockFlops: 7.5e11 },
];
