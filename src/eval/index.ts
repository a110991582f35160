/** The door of measurements. */
export type { Machine } from './machine.ts';
export { type PaperRow, paperRows } from './paper.ts';
export { benchTtft, type TtftOptions, type TtftReport, type TtftRow } from './ttft.ts';
export { ttftChart } from './ttft-chart.ts';
