/** Both lanes on one time axis. Repeats in drawing what the lanes say in text. */
import { milliseconds } from '../../lib/format.ts';
import type { Lane } from '../../state/lane.ts';

interface Props {
  readonly lanes: readonly Lane[];
  readonly now: number;
}

export function Timeline({ lanes, now }: Props) {
  const started = lanes.filter(({ startedAt }) => startedAt !== undefined);
  const scale = Math.max(400, ...started.map((lane) => elapsed(lane, now)));
  return (
    <div class="timeline" aria-hidden="true">
      {lanes.map((lane) => (
        <div class={`track track-${lane.mode}`} key={lane.mode}>
          <div class="track-bar">
            <div
              class="track-wait"
              style={{ width: `${(100 * (lane.firstTokenMs ?? elapsed(lane, now))) / scale}%` }}
            />
            <div
              class="track-stream"
              style={{
                width: `${lane.firstTokenMs === undefined ? 0 : (100 * (elapsed(lane, now) - lane.firstTokenMs)) / scale}%`,
              }}
            />
          </div>
        </div>
      ))}
      <div class="track-scale">
        <span>0</span>
        <span>{milliseconds(scale / 2)}</span>
        <span>{milliseconds(scale)}</span>
      </div>
    </div>
  );
}

function elapsed({ startedAt, totalMs, firstTokenMs, state }: Lane, now: number): number {
  if (totalMs !== undefined) return totalMs;
  if (startedAt === undefined) return 0;
  if (state === 'running' || state === 'streaming') return Math.max(0, now - startedAt);
  return firstTokenMs ?? 0;
}
