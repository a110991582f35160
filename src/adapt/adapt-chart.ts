/** How the two modes came together while the writer was trained, as an SVG: divergence and agreement on held-out contexts. */
import type { TopLevelSpec } from 'vega-lite';
import { chartFrame, modeColours, renderChart } from '../eval/charts/render-chart.ts';
import type { AdaptPlan, AdaptPoint } from './adapt-options.ts';

export interface ChartInput {
  readonly curve: readonly AdaptPoint[];
  readonly plan: Pick<AdaptPlan, 'contexts' | 'passages' | 'policy'>;
  readonly verdict: string;
  /** The verdict's, which may recompute more than the one that was trained under. */
  readonly policy: string | null;
}

/** The chart as SVG text. */
export function adaptChart(input: ChartInput): Promise<string> {
  return renderChart(spec(input));
}

function spec({ curve, plan, verdict, policy }: ChartInput): TopLevelSpec {
  const count = (value: number) => value.toLocaleString('en-US');
  const under = policy === null || policy === plan.policy ? '' : ` with ${policy}`;
  const frame = chartFrame('Block mode against full attention while the writer learns', [
    `${count(plan.contexts)} contexts from ${count(plan.passages)} passages, measured on those held out; policy ${plan.policy}. Verdict: ${verdict}${under}.`,
  ]);
  const { width, height: _, ...rest } = frame;
  const x = { field: 'step', type: 'quantitative' as const, title: 'Step', axis: { grid: false, tickMinStep: 1 } };
  const [vermilion, blue] = modeColours;
  const plot = (field: string, title: string, colour: string, domain: [number, number] | undefined) => ({
    width,
    height: 190,
    mark: { type: 'line' as const, point: { size: 60, filled: true, color: colour }, color: colour, strokeWidth: 2 },
    encoding: {
      x,
      y: {
        field,
        type: 'quantitative' as const,
        title,
        axis: { gridColor: '#ddd' },
        scale: domain === undefined ? { zero: true } : { domain },
      },
    },
  });
  return {
    ...rest,
    data: { values: curve.map((point) => ({ ...point, agreement: 100 * point.agreement })) },
    vconcat: [
      plot('divergence', 'KL from full attention, nats', vermilion, undefined),
      plot('agreement', 'Same likeliest token, %', blue, [0, 100]),
    ],
  };
}
