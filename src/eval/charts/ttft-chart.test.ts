import { describe, expect, it } from 'vitest';
import { ttftReport, ttftRow } from '../../../tests/support/ttft-report.ts';
import { ttftChart } from './ttft-chart.ts';

const texts = (svg: string) => [...svg.matchAll(/<(?:text|tspan)[^>]*>([^<]+)</g)].map(([, text]) => text);
const markers = (svg: string, mode: string) => svg.split(`mode: ${mode}"`).length - 1;

describe('ttftChart', () => {
  it('draws both curves with titles, units and labels at their ends', async () => {
    const rows = [ttftRow(50, 170, 165), ttftRow(1024, 2500, 185), ttftRow(32_768, 600_000, 420)];
    const svg = await ttftChart(ttftReport(rows), { modelName: 'example' });
    expect(svg).toMatch(/^<svg/);
    expect(svg).not.toMatch(/NaN|undefined/);
    expect(texts(svg)).toEqual(
      expect.arrayContaining([
        'Time to first token, example',
        'Example CPU, 2 cores, 2 threads, keys and values f16, portable kernel',
        'Full attention',
        'Block-Attention',
        '50',
        '1,024',
        '32,768',
        '100 ms',
        '1,000 s',
        '600 s',
        '420 ms (−99.93 %)',
      ]),
    );
  });

  it('leaves out what was not measured', async () => {
    const rows = [ttftRow(50, 170, 165), ttftRow(1024, 2500, 185), ttftRow(32_768, null, 420)];
    const svg = await ttftChart(ttftReport(rows), { modelName: 'example' });
    expect(texts(svg)).toEqual(expect.arrayContaining(['2.5 s', '420 ms']));
    expect(markers(svg, 'Block-Attention')).toBe(markers(svg, 'Full attention') + 1);
  });

  it('draws a single length', async () => {
    const svg = await ttftChart(ttftReport([ttftRow(512, 1100, 180)]), { modelName: 'example' });
    expect(svg).not.toMatch(/NaN|undefined|Infinity/);
    expect(texts(svg)).toContain('180 ms (−83.6 %)');
  });
});
