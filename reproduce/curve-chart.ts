/** Accuracy over steps of block fine-tuning, in both modes, as an SVG. */
import type { TopLevelSpec } from 'vega-lite';
import { chartFrame, modeColours, renderChart } from '../src/eval/charts/render-chart.ts';
import type { CurvePoint } from './train.ts';

const modes = { full: 'Full attention', block: 'Block-Attention' };

/** @param tasks validation tasks of a point */
export function curveChart(curve: readonly CurvePoint[], tasks: number): Promise<string> {
  return renderChart(curveSpec(curve, tasks));
}

function curveSpec(curve: readonly CurvePoint[], tasks: number): TopLevelSpec {
  const values = curve.flatMap(({ step, full, block }) => [
    { mode: modes.full, step, accuracy: full },
    { mode: modes.block, step, accuracy: block },
  ]);
  return {
    ...chartFrame(
      'Accuracy while the reader is block fine-tuned',
      [`${tasks} validation tasks on documents, 10 passages; a step trains on every exercise in both modes.`],
      320,
    ),
    data: { values },
    encoding: {
      x: { field: 'step', type: 'quantitative', title: 'Steps of block fine-tuning', axis: { grid: false } },
      y: {
        field: 'accuracy',
        type: 'quantitative',
        title: 'Answers that are right',
        scale: { domain: [0, 1] },
        axis: { format: '.0%', gridColor: '#ddd' },
      },
      color: {
        field: 'mode',
        type: 'nominal',
        scale: { domain: Object.values(modes), range: [...modeColours] },
        legend: { title: null, orient: 'bottom-right', offset: 8 },
      },
    },
    layer: [
      { mark: { type: 'line', strokeWidth: 2.5 } },
      {
        mark: { type: 'point', filled: true, size: 60, opacity: 1 },
        encoding: {
          shape: {
            field: 'mode',
            type: 'nominal',
            scale: { domain: Object.values(modes), range: ['circle', 'square'] },
            legend: { title: null, orient: 'bottom-right', offset: 8 },
          },
        },
      },
    ],
  };
}
