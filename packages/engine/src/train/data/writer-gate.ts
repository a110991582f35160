/**
 * Where a writer acts in packed rows: on the tokens of context blocks that block mode encodes apart, all but a sequence's
 * first. Not on copies of an anchor, which are of the prompt's first block, nor on questions and answers, nor in full mode.
 */
import { copiedTokens, type PackedRows } from './packing.ts';

/** @returns 1 where it acts, else 0, [rows * rowTokens] */
export function writerGate({ rows, rowTokens }: PackedRows): Float32Array<ArrayBuffer> {
  const gate = new Float32Array(rows.length * rowTokens);
  for (const [row, placed] of rows.entries()) {
    for (const { sequence, start } of placed) {
      if (sequence.mode === 'full') continue;
      let at = row * rowTokens + start + copiedTokens(sequence);
      for (const [index, block] of sequence.blocks.slice(0, -1).entries()) {
        if (index > 0) gate.fill(1, at, at + block.length);
        at += block.length;
      }
    }
  }
  return gate;
}
