/**
 * Charts as SVG text: what all of them look like, and drawing them. The drawing library is heavy and loaded on first use.
 */
import type { TopLevelSpec } from 'vega-lite';

/** Okabe and Ito's vermilion and blue, of full attention and block mode: told apart by all kinds of colour vision. */
export const modeColours = ['#d55e00', '#0072b2'] as const;

/** @param height of the plot, in pixels. Defaults to 380 */
export function chartFrame(text: string, subtitle: string[], height = 380) {
  return {
    $schema: 'https://vega.github.io/schema/vega-lite/v6.json',
    width: 640,
    height,
    padding: { left: 12, right: 16, top: 12, bottom: 12 },
    background: 'white',
    title: {
      text,
      subtitle,
      anchor: 'start',
      fontSize: 18,
      subtitleFontSize: 12,
      subtitleColor: '#444',
      subtitlePadding: 6,
      offset: 16,
    },
    config: {
      font: 'Helvetica, Arial, sans-serif',
      axis: { labelFontSize: 13, titleFontSize: 14, titlePadding: 10, titleFontWeight: 'normal', domainColor: '#888' },
      legend: { labelFontSize: 13, symbolSize: 90, symbolOpacity: 1 },
      view: { stroke: null },
    },
  } as const;
}

export async function renderChart(spec: TopLevelSpec): Promise<string> {
  const [{ compile }, { parse, View }] = await Promise.all([import('vega-lite'), import('vega')]);
  const view = new View(parse(compile(spec).spec), { renderer: 'none' });
  try {
    return await view.toSVG();
  } finally {
    view.finalize();
  }
}
