/** Accuracy over steps of block fine-tuning, in both modes, as an SVG. */
import type { TopLevelSpec } from 'vega-lite';
import type { CurvePoint } from './train.ts';

const modes = { full: 'Full attention', block: 'Block-Attention' };
/** Okabe and Ito's vermilion and blue: told apart by all kinds of colour vision, and in grey. */
const colours = ['#d55e00', '#0072b2'];

/** @param tasks validation tasks of a point */
export async function curveChart(curve: readonly CurvePoint[], tasks: number): Promise<string> {
  const [{ compile }, { parse, View }] = await Promise.all([import('vega-lite'), import('vega')]);
  const view = new View(parse(compile(curveSpec(curve, tasks)).spec), { renderer: 'none' });
  try {
    return await view.toSVG();
  } finally {
    view.finalize();
  }
}

function curveSpec(curve: readonly CurvePoint[], tasks: number): TopLevelSpec {
  const values = curve.flatMap(({ step, full, block }) => [
    { mode: modes.full, step, accuracy: full },
    { mode: modes.block, step, accuracy: block },
  ]);
  return {
    $schema: 'https://vega.github.io/schema/vega-lite/v5.json',
    width: 640,
    height: 320,
    padding: { left: 12, right: 16, top: 12, bottom: 12 },
    background: 'white',
    title: {
      text: 'Accuracy while the reader is block fine-tuned',
      subtitle: [
        `${tasks} validation tasks of 10 passages, one and two hops; a step trains on every exercise in both modes.`,
      ],
      anchor: 'start',
      fontSize: 18,
      subtitleFontSize: 12,
      subtitleColor: '#444',
      subtitlePadding: 6,
      offset: 16,
    },
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
        scale: { domain: Object.values(modes), range: colours },
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
    config: {
      font: 'Helvetica, Arial, sans-serif',
      axis: { labelFontSize: 13, titleFontSize: 14, titlePadding: 10, titleFontWeight: 'normal', domainColor: '#888' },
      legend: { labelFontSize: 13, symbolSize: 90, symbolOpacity: 1 },
      view: { stroke: null },
    },
  };
}
