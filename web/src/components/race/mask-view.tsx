/** What each token attends to: the masks of both modes, drawn to scale from the blocks' real lengths. */
import type { NamedBlock } from '../../lib/block-names.ts';
import { integer, percent } from '../../lib/format.ts';
import { lastRows, type Mask, maskOf, pairs, triangle } from '../../lib/mask.ts';

interface Props {
  readonly blocks: readonly NamedBlock[];
  readonly active: number | undefined;
  readonly onActive: (index: number | undefined) => void;
}

export function MaskView({ blocks, active, onActive }: Props) {
  const mask = maskOf(blocks.map(({ tokens }) => tokens));
  const looked = pairs(mask);
  const share = looked.full > 0 ? looked.block / looked.full : 1;
  return (
    <div class="masks">
      <figure>
        <svg viewBox={box(mask)} class="mask mask-full" role="img" aria-label={fullText(mask)}>
          <path d={triangle({ start: 0, tokens: mask.total })} />
          <Guides mask={mask} />
        </svg>
        <figcaption>
          <b>Full</b> {integer(looked.full)} pairs
        </figcaption>
      </figure>
      <figure>
        <svg
          viewBox={box(mask)}
          class="mask mask-block"
          role="img"
          aria-label={blockText(mask, share)}
          onPointerLeave={() => onActive(undefined)}
        >
          {mask.blocks.map((block, index) => (
            <path
              key={block.start}
              d={triangle(block)}
              class={active === index ? 'active' : ''}
              onPointerEnter={() => onActive(index)}
            />
          ))}
          <path
            d={lastRows(mask.final)}
            class={`final ${active === mask.blocks.length ? 'active' : ''}`}
            onPointerEnter={() => onActive(mask.blocks.length)}
          />
          <Guides mask={mask} />
        </svg>
        <figcaption>
          <b>Block</b> {integer(looked.block)}, {percent(share)}
        </figcaption>
      </figure>
      <p class="quiet small mask-note">
        A row is a token that reads, a column one that is read. Passages see only themselves, so their states hold in
        any prompt; the question, in the last {integer(mask.final.tokens)} rows, sees everything.
        {active !== undefined && blocks[active] && ` ${blocks[active].name}: ${integer(blocks[active].tokens)} tokens.`}
      </p>
    </div>
  );
}

/** A little air around, so that thin strokes at the rim are not cut. */
function box({ total }: Mask): string {
  const air = total / 100;
  return `${-air} ${-air} ${total + 2 * air} ${total + 2 * air}`;
}

function Guides({ mask: { total, blocks } }: { mask: Mask }) {
  const lines = blocks.map(({ start, tokens }) => `M0 ${start + tokens}h${total}M${start + tokens} 0v${total}`);
  return <path class="guides" d={lines.join('')} />;
}

function fullText({ total }: Mask): string {
  return `Mask of full attention: one triangle over all ${integer(total)} tokens.`;
}

function blockText({ blocks, final }: Mask, share: number): string {
  const lengths = blocks.map(({ tokens }) => integer(tokens)).join(', ');
  return (
    `Mask of block attention: ${blocks.length} triangles on the diagonal, of ${lengths} tokens; below them ` +
    `${integer(final.tokens)} full rows of the question. ${percent(share)} of the pairs of full attention.`
  );
}
