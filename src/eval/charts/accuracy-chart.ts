/** Accuracy against time to first token, a point per mode and policy, as an SVG. */

import type { EvaluationReport } from '@block-attention/engine/eval';
import { type EvaluationRow, rowName } from '@block-attention/engine/eval';
import { parsePolicy, plainPolicy, recomputedShare } from '@block-attention/engine/internal/engine';
import type { TopLevelSpec } from 'vega-lite';
import { chartFrame, modeColours, renderChart } from './render-chart.ts';

export interface AccuracyChartOptions {
  /** Name of the model as people know it. */
  readonly modelName: string;
}

interface Point {
  readonly name: string;
  readonly group: string;
  readonly ms: number;
  readonly accuracy: number;
  readonly low: number;
  readonly high: number;
}

const groups = ['Full attention', 'Block mode', 'Block mode, nothing recomputed', 'Block mode, tokens recomputed'];
/** Okabe and Ito's: with the shapes told apart in grey, too. */
const colours = [...modeColours, '#009e73', '#cc79a7'];
const shapes = ['circle', 'square', 'triangle-up', 'diamond'];

/** The chart as SVG text. Rows without a measured time are left out. */
export function accuracyChart(report: EvaluationReport, options: AccuracyChartOptions): Promise<string> {
  return renderChart(spec(report, options));
}

function spec({ rows, machine }: EvaluationReport, { modelName }: AccuracyChartOptions): TopLevelSpec {
  const points = rows.flatMap((row): Point[] => {
    if (row.ttftMs === null) return [];
    const [low, high] = row.interval;
    return [
      {
        name: row.policy === null || row.policy === plainPolicy.name ? rowName(row) : row.policy,
        group: groupOf(row),
        ms: row.ttftMs,
        accuracy: row.accuracy * 100,
        low: low * 100,
        high: high * 100,
      },
    ];
  });
  const used = groups.filter((group) => points.some((point) => point.group === group));
  const pick = <T>(values: readonly T[]) => values.filter((_, i) => used.includes(groups[i] ?? ''));
  const n = rows[0]?.n ?? 0;
  const times = points.map(({ ms }) => ms);
  const domain = [Math.min(...times) / 1.25, Math.max(...times) * 1.5];
  const x = {
    field: 'ms',
    type: 'quantitative' as const,
    title: 'Time to first token, ms, median, blocks cached (log scale)',
    scale: { type: 'log' as const, domain, nice: false },
    axis: { grid: false },
  };
  const scale = { zero: false, nice: true } as const;
  const legend = { title: null, orient: 'bottom', labelLimit: 320, columns: 2 } as const;
  return {
    ...chartFrame(`Accuracy against time to first token, ${modelName}`, [
      `${n} questions, ${machine.cpu}, ${machine.cores} cores. Bars are 95 % intervals of the accuracy.`,
    ]),
    data: { values: points },
    encoding: {
      x,
      color: { field: 'group', type: 'nominal', scale: { domain: used, range: pick(colours) }, legend },
    },
    layer: [
      {
        mark: { type: 'rule', strokeWidth: 1.5, opacity: 0.5 },
        encoding: { y: { field: 'low', type: 'quantitative', scale }, y2: { field: 'high' } },
      },
      {
        mark: { type: 'point', filled: true, size: 90, opacity: 1 },
        encoding: {
          y: {
            field: 'accuracy',
            type: 'quantitative',
            title: 'Accuracy, % (answer contained)',
            scale,
            axis: { gridColor: '#ddd' },
          },
          shape: { field: 'group', type: 'nominal', scale: { domain: used, range: pick(shapes) }, legend },
        },
      },
      // Neighbours are of different kinds as a rule: one kind's names stand below its points.
      ...[false, true].map((below) => ({
        transform: [{ filter: `(datum.group === '${groups[3]}') === ${below}` }],
        mark: {
          type: 'text' as const,
          align: 'left' as const,
          baseline: 'middle' as const,
          dx: 7,
          dy: below ? 12 : -12,
          fontSize: 12,
        },
        encoding: {
          y: { field: 'accuracy', type: 'quantitative' as const, scale },
          text: { field: 'name', type: 'nominal' as const },
        },
      })),
    ],
  };
}

function groupOf({ policy }: EvaluationRow): string {
  const [full = '', block = '', free = '', recomputing = ''] = groups;
  if (policy === null) return full;
  if (policy === plainPolicy.name) return block;
  return recomputedShare(parsePolicy(policy)) > 0 ? recomputing : free;
}
