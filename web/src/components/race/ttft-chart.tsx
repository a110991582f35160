/** Time to the first token against the length of the prompt, from what was measured in this page. */
import { useRef } from 'preact/hooks';
import { integer, milliseconds } from '../../lib/format.ts';
import { ticks } from '../../lib/scale.ts';
import { curve, type Measurement, type Point } from '../../state/measurements.ts';
import { useWidth } from '../use-width.ts';

interface Props {
  readonly measurements: readonly Measurement[];
}

const height = 260;
const margin = { left: 56, right: 16, top: 14, bottom: 40 };
const modes = ['full', 'block'] as const;

export function TtftChart({ measurements }: Props) {
  const frame = useRef<HTMLDivElement>(null);
  const width = useWidth(frame, 560);
  const curves = { block: curve(measurements, 'block'), full: curve(measurements, 'full') };
  const all = [...curves.block, ...curves.full];
  const xs = ticks(Math.max(...all.map(({ tokens }) => tokens), 100), width < 420 ? 3 : 5);
  const ys = ticks(Math.max(...all.map(({ ttftMs }) => ttftMs), 100), 4);
  const innerWidth = Math.max(60, width - margin.left - margin.right);
  const x = (tokens: number) => margin.left + (tokens / (xs.at(-1) ?? 1)) * innerWidth;
  const y = (ms: number) => height - margin.bottom - (ms / (ys.at(-1) ?? 1)) * (height - margin.top - margin.bottom);
  return (
    <div class="chart" ref={frame}>
      {all.length === 0 ? (
        <p class="chart-empty quiet">Run a race, or measure growing prompts: every first token becomes a point here.</p>
      ) : (
        <svg width={width} height={height} viewBox={`0 0 ${width} ${height}`} role="img" aria-label={chartText(curves)}>
          {ys.map((ms) => (
            <g key={ms} class="axis">
              <path d={`M${margin.left} ${y(ms)}H${width - margin.right}`} />
              <text x={margin.left - 8} y={y(ms) + 4} text-anchor="end">
                {ms >= 1000 ? `${ms / 1000} s` : `${ms} ms`}
              </text>
            </g>
          ))}
          {xs.map((tokens) => (
            <text key={tokens} class="axis-text" x={x(tokens)} y={height - margin.bottom + 18} text-anchor="middle">
              {integer(tokens)}
            </text>
          ))}
          <text class="axis-text" x={width - margin.right} y={height - 6} text-anchor="end">
            tokens of the prompt
          </text>
          {modes.map((mode) => (
            <g key={mode} class={`curve curve-${mode}`}>
              <path
                d={curves[mode]
                  .map(({ tokens, ttftMs }, i) => `${i === 0 ? 'M' : 'L'}${x(tokens)} ${y(ttftMs)}`)
                  .join('')}
              />
              {curves[mode].map((point) => marker(mode, x(point.tokens), y(point.ttftMs), point))}
            </g>
          ))}
        </svg>
      )}
    </div>
  );
}

/** Round for block, square for full: told apart without colour. */
function marker(mode: 'block' | 'full', x: number, y: number, { tokens, ttftMs }: Point) {
  const title = <title>{`${mode}: ${milliseconds(ttftMs)} at ${integer(tokens)} tokens`}</title>;
  return mode === 'block' ? (
    <circle key={tokens} cx={x} cy={y} r={4.5}>
      {title}
    </circle>
  ) : (
    <rect key={tokens} x={x - 4} y={y - 4} width={8} height={8}>
      {title}
    </rect>
  );
}

function chartText(curves: Record<'block' | 'full', readonly Point[]>): string {
  const text = (points: readonly Point[]) =>
    points.map(({ tokens, ttftMs }) => `${milliseconds(ttftMs)} at ${integer(tokens)} tokens`).join(', ') || 'none yet';
  return `Time to the first token. Block attention: ${text(curves.block)}. Full attention: ${text(curves.full)}.`;
}
