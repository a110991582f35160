/**
 * Draws saved results as bars: `npm run bench -- chart --from results.jsonl --out docs/images`. One SVG per line whose
 * rows are ways to the first token (ttft) or servers (serve); the last line of each name counts.
 */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import type { TopLevelSpec } from 'vega-lite';
import { renderChart } from '../src/eval/charts/render-chart.ts';

const { values } = parseArgs({ options: { from: { type: 'string' }, out: { type: 'string' } } });
if (values.from === undefined || values.out === undefined) throw new Error('give --from FILE and --out FOLDER');
mkdirSync(values.out, { recursive: true });

interface Result {
  readonly bench: string;
  readonly threads: number;
  readonly context?: number;
  readonly clients?: number;
  readonly machine: { readonly cpu: string; readonly cores: number };
  readonly rows: readonly Record<string, string | number>[];
}

interface Bar {
  readonly name: string;
  readonly ms: number;
  readonly kind: string;
}

const kinds = ['Block-Attention', 'This engine, otherwise', 'Others', 'Floor of the machine'];
const colours = ['#0072b2', '#56b4e9', '#999999', '#d55e00'];

for (const line of readFileSync(values.from, 'utf8').trim().split('\n')) {
  const result = JSON.parse(line) as Result;
  const subtitle = `${result.machine.cpu}, ${result.machine.cores} cores, ${result.threads} threads; shorter is better (log scale).`;
  if (result.bench.startsWith('ttft')) {
    const bars = result.rows.map(({ way, ms }) => bar(String(way), Number(ms)));
    const title = `Time to first token, ${Number(/\d+/.exec(result.bench)?.[0]).toLocaleString('en')} tokens, 50 of them new`;
    await draw(`${result.bench.replaceAll(/\W+/g, '-')}.svg`, bars, title, subtitle);
  } else if (result.bench === 'serve' && result.rows.length > 1) {
    const bars = result.rows.map(({ server, ttftP50Ms }) => bar(String(server), Number(ttftP50Ms)));
    const title = `Median time to first token, ${result.clients} clients, about ${result.context?.toLocaleString('en')} tokens of passages`;
    await draw(`serve-${result.context}.svg`, bars, title, subtitle);
  }
}

function bar(name: string, ms: number): Bar {
  return { name: name.replace(/ \(.*\)$/, ''), ms, kind: kinds[kindOf(name)] ?? '' };
}

/** Index into `kinds`. */
function kindOf(name: string): number {
  if (name === 'block mode' || name.startsWith('block, encoded')) return 0;
  if (/^(block|full|this engine)/.test(name)) return 1;
  return name.startsWith('floor') ? 3 : 2;
}

async function draw(file: string, bars: readonly Bar[], title: string, subtitle: string): Promise<void> {
  const used = kinds.filter((kind) => bars.some((one) => one.kind === kind));
  const range = used.map((kind) => colours[kinds.indexOf(kind)] ?? '');
  const least = Math.min(...bars.map(({ ms }) => ms)) / 2;
  const label = (ms: number) => (ms >= 1000 ? `${(ms / 1000).toFixed(1)} s` : `${Math.round(ms)} ms`);
  const spec: TopLevelSpec = {
    $schema: 'https://vega.github.io/schema/vega-lite/v5.json',
    width: 520,
    height: { step: 26 },
    padding: 12,
    background: 'white',
    title: {
      text: title,
      subtitle,
      anchor: 'start',
      fontSize: 16,
      subtitleFontSize: 12,
      subtitleColor: '#444',
      offset: 14,
    },
    data: { values: bars.map((one) => ({ ...one, label: label(one.ms), least })) },
    encoding: {
      y: {
        field: 'name',
        type: 'nominal',
        sort: { field: 'ms' },
        title: null,
        axis: { labelLimit: 0, labelFontSize: 12 },
      },
      x: {
        field: 'ms',
        type: 'quantitative',
        title: 'ms',
        scale: { type: 'log', domain: [least, Math.max(...bars.map(({ ms }) => ms)) * 2.2], nice: false },
        axis: { grid: true, gridColor: '#eee' },
      },
    },
    layer: [
      {
        mark: { type: 'bar', height: 16 },
        encoding: {
          x2: { datum: least },
          color: {
            field: 'kind',
            type: 'nominal',
            scale: { domain: used, range },
            legend: { title: null, orient: 'bottom' },
          },
        },
      },
      { mark: { type: 'text', align: 'left', dx: 5, fontSize: 12 }, encoding: { text: { field: 'label' } } },
    ],
    config: { view: { stroke: null }, axis: { labelLimit: 0 }, legend: { labelLimit: 300 } },
  };
  writeFileSync(join(values.out ?? '', file), await renderChart(spec));
  console.log(join(values.out ?? '', file));
}
