/**
 * Sequences to rows of equal length: several short ones share a row, each blind to the others, at positions of its own.
 *
 * Parts of a step are computed one after the other. Rows of one length share a graph, and a few lengths cover data of
 * short sequences; where padding to one length would cost more than it saves, every row is a part of its own length. Pure
 * bookkeeping: the masks are pack-mask.ts's.
 */
import type { FinalBlock, TrainingSequence } from '../types.ts';

/** A sequence in its row. */
export interface Placed {
  readonly sequence: TrainingSequence;
  /** Index of the sequence in the list that was packed. */
  readonly index: number;
  /** First token within the row. */
  readonly start: number;
  readonly length: number;
}

export interface PackedRows {
  readonly rowTokens: number;
  readonly rows: readonly (readonly Placed[])[];
}

/** Row lengths are multiples of this: fewer different graphs, and widths that matrix kernels like. */
const rowStep = 32;

/** Tokens that are asked for, of all its final blocks. */
export function responseTokensOf(sequence: TrainingSequence): number {
  return finalBlocks(sequence).reduce((sum, { responseTokens }) => sum + responseTokens, 0);
}

/** Tokens of a sequence in its row, copies of the anchor included. */
export function sequenceTokens(sequence: TrainingSequence): number {
  const { blocks, branches = [] } = sequence;
  const branched = branches.reduce((sum, { tokens }) => sum + tokens.length, 0);
  return copiedTokens(sequence) + branched + blocks.reduce((sum, block) => sum + block.length, 0);
}

/** All final blocks of a sequence, in the order they lie in its row. */
export function finalBlocks({ blocks, responseTokens, branches = [] }: TrainingSequence): FinalBlock[] {
  return [...blocks.slice(-1).map((tokens) => ({ tokens, responseTokens })), ...branches];
}

/** Copies of the anchor lie in front of the context, one after the other, in the order of the blocks they are for. */
export function copiedTokens({ blocks, anchor }: TrainingSequence): number {
  return Math.max(0, blocks.length - 2) * (anchor?.length ?? 0);
}

/** Tokens before the final blocks, as positions count them: without copies of the anchor. */
export function contextTokens({ blocks }: TrainingSequence): number {
  return blocks.slice(0, -1).reduce((sum, block) => sum + block.length, 0);
}

/** Row lengths of parts of one row, likewise: there is a graph for each. */
const ownRowStep = 64;
/** Tokens to compute, as a share of those with rows of one length, from which on rows of their own length pay. */
const worthwhile = 0.95;

/** Sequences of a step in parts of at most `batchTokens`, or of one sequence that is longer. */
export function packParts(sequences: readonly TrainingSequence[], batchTokens: number): PackedRows[] {
  const alike = splitRows(packRows(sequences), batchTokens);
  const own = packRows(sequences, batchTokens).rows.map((row) => {
    const used = row.reduce((sum, { length }) => sum + length, 0);
    return { rowTokens: Math.ceil(used / ownRowStep) * ownRowStep, rows: [row] };
  });
  return computedTokens(own) < worthwhile * computedTokens(alike) ? own : alike;
}

function computedTokens(parts: readonly PackedRows[]): number {
  return parts.reduce((sum, { rowTokens, rows }) => sum + rowTokens * rows.length, 0);
}

/** Longest first, each into the first row with room. @param rowTokens defaults to the longest sequence, rounded up */
export function packRows(sequences: readonly TrainingSequence[], rowTokens?: number): PackedRows {
  const lengths = sequences.map(sequenceTokens);
  const longest = lengths.reduce((most, n) => Math.max(most, n), 1);
  const width = Math.max(rowTokens ?? 0, Math.ceil(longest / rowStep) * rowStep);
  const order = sequences.map((_, index) => index).sort((a, b) => (lengths[b] ?? 0) - (lengths[a] ?? 0) || a - b);
  const rows: { used: number; placed: Placed[] }[] = [];
  for (const index of order) {
    const sequence = sequences[index];
    const length = lengths[index] ?? 0;
    if (sequence === undefined) continue;
    let row = rows.find(({ used }) => used + length <= width);
    if (row === undefined) {
      row = { used: 0, placed: [] };
      rows.push(row);
    }
    row.placed.push({ sequence, index, start: row.used, length });
    row.used += length;
  }
  return { rowTokens: width, rows: rows.map(({ placed }) => placed) };
}

/** Rows cut into parts of equal size that fit `batchTokens`; rows missing at the end of the last part stay empty. */
export function splitRows({ rows, rowTokens }: PackedRows, batchTokens: number): PackedRows[] {
  const most = Math.max(1, Math.floor(batchTokens / rowTokens));
  const parts = Math.max(1, Math.ceil(rows.length / most));
  const size = Math.ceil(rows.length / parts);
  return Array.from({ length: parts }, (_, part) => ({
    rowTokens,
    rows: Array.from({ length: size }, (_, i) => rows[part * size + i] ?? []),
  }));
}
