/** Loss over the steps of all stages, as an SVG. */
import { chartFrame, modeColours, renderChart } from '../../src/eval/charts/render-chart.ts';

export interface LossPoint {
  readonly stage: string;
  /** Counted through all stages. */
  readonly step: number;
  readonly loss: number;
}

export function lossChart(points: readonly LossPoint[]): Promise<string> {
  const stages = Array.from(new Set(points.map(({ stage }) => stage)));
  return renderChart({
    ...chartFrame(
      'Loss while the reader is trained',
      ['Cross-entropy of answer tokens, in block mode; a dot is a step, the line a mean of nine.'],
      320,
    ),
    data: { values: points.map((point, i) => ({ ...point, mean: meanAround(points, i) })) },
    encoding: {
      x: { field: 'step', type: 'quantitative', title: 'Steps', axis: { grid: false } },
      color: {
        field: 'stage',
        type: 'nominal',
        scale: {
          domain: stages,
          range: [...modeColours, '#009e73', '#8a4f7d', '#4d4d4d', '#b8860b', '#c2549d', '#5b7f2b'],
        },
        legend: { title: null, orient: 'top-right', offset: 8 },
      },
    },
    layer: [
      { mark: { type: 'point', filled: true, size: 14, opacity: 0.35 }, encoding: { y: axis('loss') } },
      { mark: { type: 'line', strokeWidth: 2.5 }, encoding: { y: axis('mean') } },
    ],
  });
}

const axis = (field: string) =>
  ({ field, type: 'quantitative', title: 'Nats per answer token', axis: { gridColor: '#ddd' } }) as const;

/** Of the steps of the same stage up to four away. */
function meanAround(points: readonly LossPoint[], at: number): number {
  const near = points.slice(Math.max(0, at - 4), at + 5).filter(({ stage }) => stage === points[at]?.stage);
  return near.reduce((sum, { loss }) => sum + loss, 0) / near.length;
}
