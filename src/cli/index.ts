/** The door of the command line. */
export type { CliIo, TextSink } from './io.ts';
export { runCli } from './run.ts';
