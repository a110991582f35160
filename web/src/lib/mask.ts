/** The attention mask as rectangles and triangles, in token units: row = query, column = key, both from the top left. */

export interface MaskBlock {
  readonly start: number;
  readonly tokens: number;
}

export interface Mask {
  readonly total: number;
  /** Context blocks: each sees itself, causally. */
  readonly blocks: readonly MaskBlock[];
  /** Sees all before it, and itself causally. */
  readonly final: MaskBlock;
}

/** @param lengths tokens of each block in prompt order; the last is the final block */
export function maskOf(lengths: readonly number[]): Mask {
  let start = 0;
  const spans = lengths.map((tokens) => {
    const span = { start, tokens };
    start += tokens;
    return span;
  });
  const final = spans.pop() ?? { start: 0, tokens: 0 };
  return { total: start, blocks: spans, final };
}

/** Query-key pairs that are looked at. */
export function pairs({ total, blocks, final }: Mask): { readonly block: number; readonly full: number } {
  const causal = (n: number) => (n * (n + 1)) / 2;
  const own = blocks.reduce((sum, { tokens }) => sum + causal(tokens), 0);
  return { block: own + final.tokens * final.start + causal(final.tokens), full: causal(total) };
}

/** The lower triangle of a span on the diagonal, as an SVG path. */
export function triangle({ start, tokens }: MaskBlock): string {
  return `M${start} ${start}v${tokens}h${tokens}z`;
}

/** All rows of the final block, as an SVG path. */
export function lastRows({ start, tokens }: MaskBlock): string {
  return `M0 ${start}h${start}l${tokens} ${tokens}H0z`;
}
