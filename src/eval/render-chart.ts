/** A Vega-Lite specification as SVG text. The drawing library is heavy and loaded on first use. */
import type { TopLevelSpec } from 'vega-lite';

export async function renderChart(spec: TopLevelSpec): Promise<string> {
  const [{ compile }, { parse, View }] = await Promise.all([import('vega-lite'), import('vega')]);
  const view = new View(parse(compile(spec).spec), { renderer: 'none' });
  try {
    return await view.toSVG();
  } finally {
    view.finalize();
  }
}
