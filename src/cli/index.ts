/** The door of the command line. */
export { type CliIo, exitCodes, type TextSink } from './io.ts';
export { runCli } from './run.ts';
