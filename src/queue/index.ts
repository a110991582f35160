/** The door of the job queue: a corpus encoded by any number of machines. */
export type { QueueLocation } from './connection.ts';
export { type EnqueueOptions, type EnqueueProgress, type EnqueueSummary, enqueuePassages } from './enqueue.ts';
export type { EncodeJobResult } from './job.ts';
export { type JobReport, runWorker, type WorkerOptions, type WorkerSummary } from './worker.ts';
