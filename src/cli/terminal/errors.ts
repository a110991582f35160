/**
 * From an exception to what the user sees: one line on stderr, one JSON line where asked for, an exit code.
 *
 * Stack traces are for faults of this package, and only with DEBUG set.
 */

import { abortError, BlockAttentionError, type ErrorCode } from '@block-attention/engine/internal/base';
import { CommanderError } from 'commander';
import { type CliIo, exitCodes, printable } from './io.ts';
import { Output, paint } from './output.ts';

/** Commander ends a run by throwing also when nothing is wrong. */
const harmless = new Set(['commander.helpDisplayed', 'commander.version']);

/** Reports an error. @returns the exit code: 2 for what the caller can correct, 130 when cancelled, else 1. */
export function reportError(error: unknown, io: CliIo, options: { readonly json: boolean }): number {
  if (error instanceof CommanderError && harmless.has(error.code)) return 0;
  // Help was printed in place of a missing command: people need no more.
  const helped = error instanceof CommanderError && error.code === 'commander.help';
  if (helped && !options.json) return exitCodes.usage;
  const known = asKnownError(error, io.signal);
  const output = new Output(io, options);
  output.note(`${paint(io.stderr, io, 31, 'error')} [${known.code}] ${printable(known.message)}`);
  if (known.code === 'INTERNAL' && io.env.DEBUG && error instanceof Error) output.note(error.stack ?? '');
  output.result({ error: { code: known.code, message: known.message } });
  if (known.code === 'ABORTED') return exitCodes.cancelled;
  return known.status === 400 ? exitCodes.usage : exitCodes.failure;
}

function asKnownError(error: unknown, signal: AbortSignal): BlockAttentionError {
  if (BlockAttentionError.isInstance(error)) return error;
  if (signal.aborted) return abortError(signal);
  if (error instanceof CommanderError) {
    if (error.code === 'commander.help') return invalid('no command is given: see --help');
    const message = error.message
      .replace(/^error: /, '')
      .replace(/\s*\n\s*/g, ' ')
      .replace(/\.$/, '');
    return invalid(`${message}: see --help`);
  }
  const refused = refusedPath(error);
  if (refused !== undefined) return refused;
  const message = error instanceof Error ? error.message : String(error);
  const code: ErrorCode = 'INTERNAL';
  return new BlockAttentionError(code, `${message} (a fault of this program; DEBUG=1 shows where)`, { cause: error });
}

/** What the file system said about a place, as an error that names it; undefined for other errors. */
function refusedPath(error: unknown): BlockAttentionError | undefined {
  if (!(error instanceof Error && 'code' in error && 'path' in error)) return undefined;
  const reason = systemReasons[String(error.code)];
  if (reason === undefined) return undefined;
  const code: ErrorCode = error.code === 'ENOSPC' || error.code === 'EDQUOT' ? 'DISK_FULL' : 'INVALID_ARGUMENT';
  const place = JSON.stringify(String(error.path));
  return new BlockAttentionError(code, `${place} ${reason} (${String(error.code)})`, { cause: error });
}

const systemReasons: Readonly<Record<string, string>> = {
  EACCES: 'is not open to this user: change its rights, or point BLOCK_ATTENTION_CACHE at another folder',
  EPERM: 'is not open to this user: change its rights, or point BLOCK_ATTENTION_CACHE at another folder',
  EROFS: 'is on a file system that is read only: point BLOCK_ATTENTION_CACHE at another folder',
  ENOTDIR: 'is within a file that is not a folder: name another place, with an option or BLOCK_ATTENTION_CACHE',
  ENOSPC: 'finds no room on its disk: free some, or point BLOCK_ATTENTION_CACHE at another one',
  EDQUOT: 'finds no room in your quota: free some, or point BLOCK_ATTENTION_CACHE at another disk',
};

/** An error of usage. */
export function invalid(message: string, cause?: unknown): BlockAttentionError {
  return new BlockAttentionError('INVALID_ARGUMENT', message, { cause });
}
