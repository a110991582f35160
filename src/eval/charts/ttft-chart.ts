/** The curves of a TTFT report as an SVG: time to first token over prompt length, both axes logarithmic. */

import type { Machine, TtftReport, TtftRow } from '@block-attention/engine/eval';
import type { TopLevelSpec } from 'vega-lite';
import { chartFrame, modeColours, renderChart } from './render-chart.ts';

export interface TtftChartOptions {
  /** Name of the model as people know it. */
  readonly modelName: string;
}

interface Point {
  readonly mode: string;
  readonly tokens: number;
  readonly seconds: number;
  /** Set on the last point of a curve. */
  readonly label: string | null;
}

const modes = { full: 'Full attention', block: 'Block-Attention' };
const shapes = ['circle', 'square'];

/** The chart as SVG text. @param report at least one row */
export function ttftChart(report: TtftReport, options: TtftChartOptions): Promise<string> {
  return renderChart(ttftSpec(report, options));
}

/** The chart as a Vega-Lite specification. */
function ttftSpec(report: TtftReport, { modelName }: TtftChartOptions): TopLevelSpec {
  const { rows, machine, threads, kvType, attention } = report;
  const points = chartPoints(rows);
  const lengths = rows.map(({ tokens }) => tokens);
  const first = Math.min(...lengths);
  const last = Math.max(...lengths);
  const times = points.map(({ seconds }) => seconds);
  const ticks = decades(Math.min(...times), Math.max(...times));
  // Labels at the ends of the curves stand to the right of the last point.
  const span = Math.max(2, last / first);
  return {
    ...chartFrame(`Time to first token, ${modelName}`, [
      `${machineLine(machine)}, ${threads} threads, keys and values ${kvType}, ${attention} kernel`,
      'Block-Attention with all passages cached; full attention by the faster of llama.cpp and this engine.',
    ]),
    data: { values: points },
    encoding: {
      x: {
        field: 'tokens',
        type: 'quantitative',
        title: 'Prompt length, tokens (log scale)',
        scale: { type: 'log', base: 2, domain: [first / span ** 0.03, last * span ** 0.03], nice: false },
        axis: { values: lengths, labelExpr: "format(datum.value, ',')", grid: false, labelOverlap: 'greedy' },
      },
      y: {
        field: 'seconds',
        type: 'quantitative',
        title: 'Time to first token (log scale)',
        scale: { type: 'log', domain: [ticks[0] ?? 0.1, ticks.at(-1) ?? 1], nice: false },
        axis: {
          values: ticks,
          labelExpr: "datum.value < 1 ? format(datum.value * 1000, ',') + ' ms' : format(datum.value, ',') + ' s'",
          gridColor: '#ddd',
        },
      },
      color: {
        field: 'mode',
        type: 'nominal',
        scale: { domain: Object.values(modes), range: [...modeColours] },
        legend,
      },
    },
    layer: [
      { mark: { type: 'line', strokeWidth: 2.5 } },
      {
        mark: { type: 'point', filled: true, size: 70, opacity: 1 },
        encoding: {
          shape: { field: 'mode', type: 'nominal', scale: { domain: Object.values(modes), range: shapes }, legend },
        },
      },
      {
        transform: [{ filter: 'datum.label != null' }],
        mark: { type: 'text', align: 'left', baseline: 'middle', dx: 10, fontSize: 14, fontWeight: 'bold' },
        encoding: { text: { field: 'label', type: 'nominal' } },
      },
    ],
  };
}

const legend = { title: null, orient: 'top-left', labelLimit: 320, offset: 8 } as const;

function chartPoints(rows: readonly TtftRow[]): Point[] {
  const lastFull = rows.findLast(({ fullMs }) => fullMs !== null);
  return rows.flatMap((row) => {
    const { tokens, fullMs, blockMs } = row;
    const reduced = fullMs === null || fullMs <= blockMs ? '' : ` (−${percent(1 - blockMs / fullMs)})`;
    const block = { mode: modes.block, tokens, seconds: blockMs / 1000 };
    const points: Point[] = [{ ...block, label: row === rows.at(-1) ? `${time(blockMs)}${reduced}` : null }];
    if (fullMs !== null) {
      points.push({ mode: modes.full, tokens, seconds: fullMs / 1000, label: row === lastFull ? time(fullMs) : null });
    }
    return points;
  });
}

function percent(share: number): string {
  return `${(share * 100).toFixed(share > 0.99 ? 2 : 1)} %`;
}

function time(ms: number): string {
  return ms < 1000 ? `${Math.round(ms)} ms` : `${(ms / 1000).toFixed(ms < 10_000 ? 1 : 0)} s`;
}

/** 1, 2 and 5 times powers of ten that enclose the range; powers alone when that would be many. */
function decades(low: number, high: number): number[] {
  const steps = high / low > 500 ? [1] : [1, 2, 5];
  const all: number[] = [];
  for (let power = -6; power <= 6; power++) {
    for (const step of steps) all.push(power < 0 ? step / 10 ** -power : step * 10 ** power);
  }
  const from = all.findLastIndex((value) => value <= low);
  const to = all.findIndex((value) => value >= high);
  return all.slice(Math.max(0, from), (to === -1 ? all.length : to) + 1);
}

function machineLine({ cpu, cores }: Machine): string {
  return `${cpu}, ${cores} cores`;
}
