/**
 * What a command may touch of the process: its streams, environment and cancellation. Tests give their own.
 */
import type { Environment } from '@block-attention/engine/internal/platform';

/** Where text goes. */
export interface TextSink {
  write(text: string): unknown;
  /** True when a person looks at it. Defaults to false. */
  readonly isTTY?: boolean | undefined;
  /** Width in characters. Defaults to 80. */
  readonly columns?: number | undefined;
}

export interface CliIo {
  /** Read by `--passages -` only. */
  readonly stdin: AsyncIterable<Uint8Array>;
  /** Results. */
  readonly stdout: TextSink;
  /** Everything else. */
  readonly stderr: TextSink;
  readonly env: Environment;
  /** Fires when the user cancels. */
  readonly signal: AbortSignal;
}

/** What every command is registered with. */
export interface CommandContext {
  readonly io: CliIo;
  /** The process's exit code unless an error decides otherwise. Starts at 0. */
  exitCode: number;
}

/** Exit codes, beside 0. */
export const exitCodes = { failure: 1, usage: 2, cancelled: 130 } as const;

/** The same on one line, for names: one with a line break could look like two. */
export function printableLine(text: string): string {
  return printable(text.replaceAll(/[\n\t\u2028\u2029]/g, ' '));
}

/** Text that comes from models, files and servers: without the characters that steer a terminal. */
export function printable(text: string): string {
  return text.replace(/\p{Cc}/gu, (character) => (character === '\n' || character === '\t' ? character : ''));
}
