/** The door of measurements: those of the engine, and their charts. */
export * from '@block-attention/engine/eval';
export { type AccuracyChartOptions, accuracyChart } from './charts/accuracy-chart.ts';
export { type TtftChartOptions, ttftChart } from './charts/ttft-chart.ts';
