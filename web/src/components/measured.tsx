/** The chart, the button that fills it, and the same figures as a table. */
import { integer, milliseconds, ratio } from '../lib/format.ts';
import { curve, type Measurement } from '../state/measurements.ts';
import type { Sweep } from '../state/use-sweep.ts';
import { FailureNote } from './failure-note.tsx';
import { TtftChart } from './race/ttft-chart.tsx';

interface Props {
  readonly measurements: readonly Measurement[];
  readonly sweep: Sweep;
  readonly disabled: boolean;
  readonly onStart: () => void;
  readonly onClear: () => void;
}

export function Measured({ measurements, sweep, disabled, onStart, onClear }: Props) {
  const { progress, failure } = sweep;
  return (
    <section class="panel figure-panel" aria-labelledby="measured-title">
      <div class="panel-head">
        <h2 id="measured-title">First token, as prompts grow</h2>
        <div class="panel-actions">
          {measurements.length > 0 && !progress && (
            <button type="button" class="button button-quiet" onClick={onClear}>
              Clear
            </button>
          )}
          {progress ? (
            <button type="button" class="button" onClick={sweep.stop}>
              Stop ({progress.done} of {progress.total})
            </button>
          ) : (
            <button type="button" class="button" disabled={disabled} onClick={onStart}>
              Measure
            </button>
          )}
        </div>
      </div>
      <p class="legend small">
        <span>
          <i class="swatch swatch-block" aria-hidden="true" /> Block, passages kept
        </span>
        <span>
          <i class="swatch swatch-full" aria-hidden="true" /> Full
        </span>
      </p>
      <TtftChart measurements={measurements} />
      {failure && <FailureNote failure={failure} onRetry={onStart} />}
      {measurements.length > 0 && <Figures measurements={measurements} />}
    </section>
  );
}

function Figures({ measurements }: { measurements: readonly Measurement[] }) {
  const block = new Map(curve(measurements, 'block').map((point) => [point.tokens, point]));
  const full = new Map(curve(measurements, 'full').map((point) => [point.tokens, point]));
  const lengths = [...new Set([...block.keys(), ...full.keys()])].sort((a, b) => a - b);
  return (
    <details class="small">
      <summary>The figures</summary>
      <table>
        <thead>
          <tr>
            <th scope="col">Tokens</th>
            <th scope="col">Block</th>
            <th scope="col">Full</th>
            <th scope="col">Sooner</th>
          </tr>
        </thead>
        <tbody>
          {lengths.map((tokens) => {
            const [a, b] = [block.get(tokens)?.ttftMs, full.get(tokens)?.ttftMs];
            return (
              <tr key={tokens}>
                <td>{integer(tokens)}</td>
                <td>{a === undefined ? '–' : milliseconds(a)}</td>
                <td>{b === undefined ? '–' : milliseconds(b)}</td>
                <td>{a === undefined || b === undefined ? '–' : ratio(b / a)}</td>
              </tr>
            );
          })}
        </tbody>
      </table>
    </details>
  );
}
