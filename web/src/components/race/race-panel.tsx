/** The race: time axis, lanes, outcome. */
import { useMemo } from 'preact/hooks';
import type { Plan } from '../../api/types.ts';
import { type DifferencePiece, wordDifferences } from '../../lib/word-differences.ts';
import type { Lane } from '../../state/lane.ts';
import type { Lanes as Chosen } from '../../state/settings.ts';
import type { Race } from '../../state/use-race.ts';
import { FailureNote } from '../failure-note.tsx';
import { useClock } from '../use-clock.ts';
import { Verdict } from '../verdict.tsx';
import { LaneView } from './lane-view.tsx';
import { Timeline } from './timeline.tsx';

interface Props {
  readonly race: Race;
  readonly chosen: Chosen;
  readonly plan: Plan | undefined;
  readonly verified: boolean | undefined;
  readonly onRetry: () => void;
}

export function RacePanel({ race, chosen, plan, verified, onRetry }: Props) {
  const { lanes, encoding, running, failure } = race;
  const now = useClock(running);
  const compared = useMemo(() => compare(lanes.block, lanes.full), [lanes.block, lanes.full]);
  const shown: Lane[] = chosen === 'both' ? [lanes.block, lanes.full] : [lanes[chosen]];
  return (
    <div class="race">
      {failure && <FailureNote failure={failure} onRetry={failure.kind === 'overflow' ? undefined : onRetry} />}
      <Verdict lanes={lanes} encoding={encoding} />
      {compared && chosen === 'both' && <p class="quiet small">{sayDifference(compared.block, compared.full)}</p>}
      <Timeline lanes={shown} now={now} />
      <div class={`lanes lanes-${shown.length}`}>
        {shown.map((lane) => (
          <LaneView
            key={lane.mode}
            lane={lane}
            now={now}
            plan={plan}
            verified={verified}
            compared={compared?.[lane.mode]}
            onRetry={onRetry}
          />
        ))}
      </div>
    </div>
  );
}

/** Once both have ended. */
function compare(block: Lane, full: Lane) {
  if (block.state !== 'done' || full.state !== 'done' || block.text === '' || full.text === '') return undefined;
  const [left, right] = wordDifferences(block.text, full.text);
  return { block: left, full: right };
}

function sayDifference(block: readonly DifferencePiece[], full: readonly DifferencePiece[]): string {
  if (![...block, ...full].some(({ differs }) => differs)) return 'Both say the same, word for word.';
  return 'Words that only one of the two answers has are marked.';
}
