/** The race: time axis, lanes, outcome. */
import type { Plan } from '../api/types.ts';
import type { Lane } from '../state/lane.ts';
import type { Lanes as Chosen } from '../state/settings.ts';
import type { Race } from '../state/use-race.ts';
import { FailureNote } from './failure-note.tsx';
import { LaneView } from './lane-view.tsx';
import { Timeline } from './timeline.tsx';
import { useClock } from './use-clock.ts';
import { Verdict } from './verdict.tsx';

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
  const shown: Lane[] = chosen === 'both' ? [lanes.block, lanes.full] : [lanes[chosen]];
  return (
    <div class="race">
      {failure && <FailureNote failure={failure} onRetry={failure.kind === 'overflow' ? undefined : onRetry} />}
      <Verdict lanes={lanes} encoding={encoding} />
      <Timeline lanes={shown} now={now} />
      <div class={`lanes lanes-${shown.length}`}>
        {shown.map((lane) => (
          <LaneView key={lane.mode} lane={lane} now={now} plan={plan} verified={verified} onRetry={onRetry} />
        ))}
      </div>
    </div>
  );
}
