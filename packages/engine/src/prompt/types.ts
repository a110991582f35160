/**
 * The plan of a prompt: context blocks that can be encoded alone, then one final block (the paper's block
 * segmentation).
 *
 * Invariants: the last block is the final one, every block has text, and the blocks' texts joined are the prompt.
 * A passage's block holds nothing but the passage: no number, nothing of what stands beside it, so it is the same in every
 * prompt.
 */

export interface Passage {
  /** Names the passage in reports; not part of the prompt. Defaults to its index. */
  readonly id?: string | undefined;
  readonly title?: string | undefined;
  readonly text: string;
  /**
   * The passage that stands before this one in its document: what `neighbour:N` encodes it behind. Not part of the prompt.
   * Defaults to none: it begins its document, or nobody knows.
   */
  readonly previous?: PreviousPassage | undefined;
}

export interface PreviousPassage {
  readonly title?: string | undefined;
  readonly text: string;
}

/** A question that was answered before, or a worked example. */
export interface Turn {
  readonly user: string;
  readonly assistant: string;
}

/** A piece of a block's text. Only `special` text, which templates write, may spell control tokens. */
export interface Segment {
  readonly text: string;
  readonly special: boolean;
}

export type BlockKind = 'system' | 'tool' | 'passage' | 'turn' | 'demonstration' | 'text' | 'final';

export interface PlannedBlock {
  /** Label for reports: the passage's id, `system`, or the kind and its index. Need not be unique. */
  readonly id: string;
  readonly kind: BlockKind;
  /** Never empty; neighbours differ in `special`. */
  readonly segments: readonly Segment[];
  /** Of a passage: what stands before it in its document, where that is known. No text of the block. */
  readonly previous?: PreviousPassage | undefined;
}

export interface BlockPlan {
  /** At least one; the last is of kind `final`, no other is. */
  readonly blocks: readonly PlannedBlock[];
  /** `auto`: BOS in front of the first block if the tokenizer asks for it. `never`: only what the template writes. */
  readonly bos: 'auto' | 'never';
  /**
   * The layout puts a space before the answer, which the model writes: it is not a part of the answer. Defaults to false.
   */
  readonly answerAfterSpace?: true;
}

export interface TokenizedBlock extends PlannedBlock {
  /** Never empty. */
  readonly tokens: Int32Array;
}

export interface TokenizedPlan extends BlockPlan {
  readonly blocks: readonly TokenizedBlock[];
}

/** Markup of a template: text in which control tokens may be spelled. */
export function markup(text: string): Segment {
  return { text, special: true };
}

/** Text in which nothing is a control token. */
export function plain(text: string): Segment {
  return { text, special: false };
}

/** A block of these segments, empty ones dropped and equal neighbours joined. */
export function block(
  id: string,
  kind: BlockKind,
  segments: readonly Segment[],
  previous?: PreviousPassage,
): PlannedBlock {
  const joined: Segment[] = [];
  for (const segment of segments) {
    const last = joined.at(-1);
    if (segment.text === '') continue;
    if (last?.special === segment.special) joined[joined.length - 1] = { ...last, text: last.text + segment.text };
    else joined.push(segment);
  }
  return { id, kind, segments: joined, ...(previous !== undefined && { previous }) };
}

/** The text of a block. */
export function blockText(planned: PlannedBlock): string {
  return planned.segments.map(({ text }) => text).join('');
}

/** The whole prompt as text. */
export function promptText(plan: BlockPlan): string {
  return plan.blocks.map(blockText).join('');
}
