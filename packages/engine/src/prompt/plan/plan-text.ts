/**
 * A prompt that is one text, without template or question: segmented, its last piece final.
 */

import { BlockAttentionError } from '../../errors.ts';
import { requireText } from '../input-checks.ts';
import { segmentCode } from '../segment/segment-code.ts';
import { defaultMaxBlocks, segmentText } from '../segment/segment-text.ts';
import { type BlockPlan, block, plain } from '../types.ts';

export interface TextRequest {
  readonly text: string;
  /** `text`: by delimiters. `code`: a definition per block. `none`: a single block. Defaults to `text`. */
  readonly segment?: 'text' | 'code' | 'none' | undefined;
  /** Defaults to 15. */
  readonly maxBlocks?: number | undefined;
}

/**
 * The blocks' texts joined are the text, byte for byte; nothing in it is a control token.
 * @throws INVALID_ARGUMENT when the text is blank or not well-formed, or an option is unknown.
 */
export function planText({ text, segment = 'text', maxBlocks = defaultMaxBlocks }: TextRequest): BlockPlan {
  if (requireText(text, 'the text').trim() === '') {
    throw new BlockAttentionError('INVALID_ARGUMENT', 'the text is empty: give it a visible character');
  }
  const pieces = segmentPieces(text, segment, maxBlocks);
  const last = pieces.length - 1;
  return {
    blocks: pieces.map((piece, index) =>
      index === last ? block('final', 'final', [plain(piece)]) : block(`text-${index}`, 'text', [plain(piece)]),
    ),
    bos: 'auto',
  };
}

function segmentPieces(text: string, segment: string, maxBlocks: number): string[] {
  if (segment === 'text') return segmentText(text, maxBlocks);
  if (segment === 'code') return segmentCode(text, { maxBlocks });
  if (segment === 'none') return [text];
  throw new BlockAttentionError(
    'INVALID_ARGUMENT',
    `segment is ${JSON.stringify(segment)}: use "text", "code" or "none"`,
  );
}
