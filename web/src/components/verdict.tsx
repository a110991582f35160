/** What came out of the race, in one sentence. */
import { integer, milliseconds, percent, ratio } from '../lib/format.ts';
import type { Encoding } from '../state/run-race.ts';
import type { Lanes } from '../state/use-race.ts';

interface Props {
  readonly lanes: Lanes;
  readonly encoding: Encoding;
}

export function Verdict({ lanes: { block, full }, encoding }: Props) {
  return (
    <div class="verdict" role="status">
      {encoding.state === 'running' && (
        <div>
          <p>
            Encoding passages, once: {encoding.done} of {encoding.total}
          </p>
          <progress max={encoding.total} value={encoding.done} aria-label="Passages encoded" />
        </div>
      )}
      {block.firstTokenMs !== undefined && full.firstTokenMs !== undefined ? (
        <Ratio faster={full.firstTokenMs / block.firstTokenMs} block={block.firstTokenMs} full={full.firstTokenMs} />
      ) : (
        block.firstTokenMs !== undefined && (
          <p>Block attention: first token after {milliseconds(block.firstTokenMs)}.</p>
        )
      )}
      {block.account && (
        <Reuse account={block.account} encodeMs={encoding.state === 'done' ? encoding.ms : undefined} />
      )}
    </div>
  );
}

function Ratio({ faster, block, full }: { faster: number; block: number; full: number }) {
  if (faster < 1.05) {
    return (
      <p>
        No gain on this prompt: {milliseconds(block)} against {milliseconds(full)}. Longer passages show one.
      </p>
    );
  }
  return (
    <p>
      First token <strong class="ratio">{ratio(faster)}</strong> sooner: {milliseconds(block)} against{' '}
      {milliseconds(full)}.
    </p>
  );
}

function Reuse({
  account,
  encodeMs,
}: {
  account: NonNullable<Lanes['block']['account']>;
  encodeMs: number | undefined;
}) {
  const { blocks, flops } = account;
  const hits = blocks.filter(({ status }) => status === 'hit');
  const tokens = hits.reduce((sum, block) => sum + block.tokens, 0);
  return (
    <p class="quiet small">
      {hits.length} of {blocks.length} blocks reused, {integer(tokens)} tokens; {percent(1 - flops.spent / flops.full)}{' '}
      of the computation saved.
      {encodeMs !== undefined &&
        ` Looking up or encoding the passages took ${milliseconds(encodeMs)} before the clock started.`}
    </p>
  );
}
