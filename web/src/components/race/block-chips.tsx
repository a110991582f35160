/** A chip per block: what it is, whether it was reused, from where, how long that took. */
import type { NamedBlock } from '../../lib/block-names.ts';
import { bytes, integer, milliseconds } from '../../lib/format.ts';

interface Props {
  readonly blocks: readonly NamedBlock[];
  readonly active: number | undefined;
  readonly onActive: (index: number | undefined) => void;
}

export function BlockChips({ blocks, active, onActive }: Props) {
  return (
    <ol class="chips" onPointerLeave={() => onActive(undefined)}>
      {blocks.map((block, index) => (
        <li
          key={index}
          class={`chip chip-${block.status} ${active === index ? 'chip-active' : ''}`}
          onPointerEnter={() => onActive(index)}
        >
          <span class="chip-name">{block.name}</span>
          <span class="chip-status">{statusText(block)}</span>
          <span class="chip-facts">{factsOf(block).join(' · ')}</span>
        </li>
      ))}
    </ol>
  );
}

function statusText({ status, tier }: NamedBlock): string {
  if (status === 'final') return 'read now';
  if (status === 'new') return 'not kept yet';
  if (status === 'miss') return 'miss: encoded';
  return status === 'hit' ? `hit: ${tier}` : `kept: ${tier}`;
}

function factsOf({ tokens, ms, bytes: size }: NamedBlock): string[] {
  return [
    `${integer(tokens)} tokens`,
    ...(ms === undefined ? [] : [milliseconds(ms)]),
    ...(size === undefined ? [] : [bytes(size)]),
  ];
}
