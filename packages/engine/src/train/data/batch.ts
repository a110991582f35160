/** The arrays a training graph reads: packed rows as token ids, positions, masks, and the tokens to be predicted. */
import { contextTokens, finalBlocks, type PackedRows } from './packing.ts';

export interface BatchShape {
  readonly rows: number;
  readonly rowTokens: number;
  /** Predictions, padding included. */
  readonly outputs: number;
}

export interface Batch extends BatchShape {
  readonly tokens: Int32Array; // [rows * rowTokens]
  readonly positions: Int32Array; // [rows * rowTokens]
  /** What makes the mask. */
  readonly packed: PackedRows;
  /** Token whose output predicts the next one: index into tokens. Padding repeats token 0. */
  readonly outputRows: Int32Array; // [outputs]
  readonly labels: Int32Array; // [outputs]
  /** Sequence each prediction belongs to; -1 is padding. */
  readonly owners: Int32Array; // [outputs]
  /** Final block of that sequence. */
  readonly finals: Int32Array; // [outputs]
}

/** Predictions are padded to a multiple of this, so that graphs repeat. */
const outputStep = 32;

export function makeBatch(packed: PackedRows): Batch {
  const { rows, rowTokens } = packed;
  const tokens = new Int32Array(rows.length * rowTokens);
  const positions = new Int32Array(rows.length * rowTokens);
  const predictions: { row: number; label: number; owner: number; final: number }[] = [];
  rows.forEach((row, rowIndex) => {
    for (const { sequence, index, start } of row) {
      let at = rowIndex * rowTokens + start;
      const put = (block: Int32Array, position: number) => {
        tokens.set(block, at);
        for (let i = 0; i < block.length; i++) positions[at + i] = position + i;
        at += block.length;
      };
      const { anchor = new Int32Array(0) } = sequence;
      let position = sequence.blocks[0]?.length ?? 0;
      for (const block of anchor.length === 0 ? [] : sequence.blocks.slice(1, -1)) {
        put(anchor, position - anchor.length);
        position += block.length;
      }
      position = 0;
      for (const block of sequence.blocks.slice(0, -1)) {
        put(block, position);
        position += block.length;
      }
      const context = contextTokens(sequence);
      for (const [final, { tokens: own, responseTokens }] of finalBlocks(sequence).entries()) {
        put(own, context);
        for (let i = at - responseTokens; i < at; i++) {
          predictions.push({ row: i - 1, label: tokens[i] ?? 0, owner: index, final });
        }
      }
    }
  });
  const outputs = Math.ceil(Math.max(1, predictions.length) / outputStep) * outputStep;
  return {
    rows: rows.length,
    rowTokens,
    outputs,
    tokens,
    positions,
    packed,
    outputRows: Int32Array.from({ length: outputs }, (_, i) => predictions[i]?.row ?? 0),
    labels: Int32Array.from({ length: outputs }, (_, i) => predictions[i]?.label ?? 0),
    owners: Int32Array.from({ length: outputs }, (_, i) => predictions[i]?.owner ?? -1),
    finals: Int32Array.from({ length: outputs }, (_, i) => predictions[i]?.final ?? 0),
  };
}
