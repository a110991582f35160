/** The door of the command line. */

export { runCli } from './run.ts';
export { type CliIo, exitCodes, type TextSink } from './terminal/io.ts';
