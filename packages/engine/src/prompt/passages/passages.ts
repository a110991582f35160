/**
 * Passages from where users keep them: a JSONL file, a folder of text files, or standard input.
 *
 * Everything is read strictly: UTF-8 that does not decode, a field of the wrong type, an empty text are errors that
 * name file, line and field. Nothing is repaired silently. Duplicate ids are allowed, because an id only labels a
 * passage in reports; they are announced through `onWarning`.
 */
import { createReadStream } from 'node:fs';
import { stat } from 'node:fs/promises';
import { BlockAttentionError } from '../../errors.ts';
import type { Passage } from '../types.ts';
import { readFolder } from './passages-folder.ts';
import { type PassageLimits, readJsonl } from './passages-jsonl.ts';

export interface PassageReadOptions {
  /** What `-` reads. Defaults to the process's standard input. */
  readonly stdin?: AsyncIterable<Uint8Array> | undefined;
  /** Told what is odd but no error, a sentence each. Defaults to nobody. */
  readonly onWarning?: ((message: string) => void) | undefined;
  /** Longest passage, in bytes of its line or file. Defaults to 16 MiB. */
  readonly maxPassageBytes?: number | undefined;
  /** Longest input, in bytes. Defaults to 1 GiB. */
  readonly maxTotalBytes?: number | undefined;
}

/**
 * Reads passages.
 *
 * @param source path of a JSONL file (`{id?, title?, text}` per line, unknown fields ignored, blank lines skipped), of
 *   a folder (its .txt and .md files, sorted by path; id = relative path, title = the file's stem), or `-` for JSONL
 *   on standard input.
 * @throws INVALID_PASSAGES; INVALID_ARGUMENT when a limit is not a positive number.
 */
export async function readPassages(source: string, options: PassageReadOptions = {}): Promise<Passage[]> {
  const { onWarning = () => {}, maxPassageBytes = 16 * 2 ** 20, maxTotalBytes = 2 ** 30 } = options;
  for (const [name, value] of Object.entries({ maxPassageBytes, maxTotalBytes })) {
    if (!(value > 0)) throw new BlockAttentionError('INVALID_ARGUMENT', `${name} is ${value}: give a positive number`);
  }
  const limits = { maxPassageBytes, maxTotalBytes };
  const passages = await readFrom(source, options.stdin, limits, onWarning);
  if (passages.length === 0) {
    const name = source === '-' ? 'standard input' : source;
    throw new BlockAttentionError('INVALID_PASSAGES', `${name} holds no passages: give at least one`);
  }
  warnOfDuplicates(passages, onWarning);
  return passages;
}

async function readFrom(
  source: string,
  stdin: AsyncIterable<Uint8Array> | undefined,
  limits: PassageLimits,
  onWarning: (message: string) => void,
): Promise<Passage[]> {
  if (source === '-') return readJsonl(stdin ?? process.stdin, 'stdin', limits);
  try {
    const kind = await stat(source);
    if (kind.isDirectory()) return await readFolder(source, limits, onWarning);
    return await readJsonl(createReadStream(source), source, limits);
  } catch (error) {
    if (BlockAttentionError.isInstance(error)) throw error;
    const reason = error instanceof Error ? error.message : String(error);
    throw new BlockAttentionError(
      'INVALID_PASSAGES',
      `passages cannot be read from ${JSON.stringify(source)}: ${reason}; give a JSONL file, a folder of .txt and .md files, or -`,
      { cause: error },
    );
  }
}

function warnOfDuplicates(passages: readonly Passage[], onWarning: (message: string) => void): void {
  const seen = new Set<string>();
  const reported = new Set<string>();
  for (const { id } of passages) {
    if (id === undefined) continue;
    if (seen.has(id)) reported.add(id);
    seen.add(id);
  }
  if (reported.size === 0) return;
  const [first] = reported;
  const more = reported.size > 1 ? ` and ${reported.size - 1} more` : '';
  onWarning(`several passages share the id ${JSON.stringify(first)}${more}: reports cannot tell them apart`);
}
