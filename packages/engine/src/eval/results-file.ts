/**
 * Answers on disk, one JSON line each, so that an evaluation that was interrupted goes on where it stopped.
 *
 * A row is found again by its key, which is made of all that the answer depends on; rows of other models or settings
 * may stand in the same file and are left alone. Rows hold answers, not scores: scores are computed when they are read.
 * A last line that a crash cut off is dropped. The file is written by one process at a time.
 */
import { createHash } from 'node:crypto';
import { type FileHandle, open, readFile } from 'node:fs/promises';
import { z } from 'zod';
import { BlockAttentionError } from '../errors.ts';

const header = JSON.stringify({ format: 'block-attention results 1' });

/** The name of a row: a digest of what the answer depends on. */
export function resultKey(parts: unknown): string {
  return createHash('sha256').update(JSON.stringify(parts)).digest('hex').slice(0, 32);
}

export class ResultsFile<T> implements AsyncDisposable {
  readonly #rows = new Map<string, T>();
  readonly #handle: FileHandle | undefined;
  readonly #path: string;
  #writing: Promise<unknown> = Promise.resolve();

  private constructor(handle: FileHandle | undefined, path: string) {
    this.#handle = handle;
    this.#path = path;
  }

  /** Keeps rows in memory only. */
  static memory<T>(): ResultsFile<T> {
    return new ResultsFile<T>(undefined, '');
  }

  /** Opens or creates a file. @throws INVALID_DATA when it cannot be opened, or is not a file of results */
  static async open<T>(path: string, schema: z.ZodType<T>): Promise<ResultsFile<T>> {
    let text = '';
    try {
      text = await readFile(path, 'utf8');
    } catch (error) {
      if (!isMissing(error)) throw unusable(path, error);
    }
    const whole = text.slice(0, text.lastIndexOf('\n') + 1);
    const [first, ...lines] = whole.split('\n');
    // Never write into a file of another kind, such as the questions themselves.
    if (text !== '' && first !== header && !header.startsWith(text)) {
      throw new BlockAttentionError(
        'INVALID_DATA',
        `${path}:1 is not the first line of a file of results: give the file of an earlier evaluation, or a new name`,
      );
    }
    const row = z.object({ key: z.string(), value: schema });
    const known = lines.flatMap((line, index) => {
      if (line === '') return [];
      try {
        return [row.parse(JSON.parse(line))];
      } catch (cause) {
        throw new BlockAttentionError('INVALID_DATA', `${path}:${index + 2} is not a result: remove the line`, {
          cause,
        });
      }
    });
    let handle: FileHandle;
    try {
      handle = await open(path, 'a', 0o600);
      await handle.truncate(Buffer.byteLength(whole));
      if (whole === '') await handle.write(`${header}\n`);
    } catch (error) {
      throw unusable(path, error);
    }
    const file = new ResultsFile<T>(handle, path);
    for (const { key, value } of known) file.#rows.set(key, value);
    return file;
  }

  get(key: string): T | undefined {
    return this.#rows.get(key);
  }

  /** Resolves when the row is written. @throws INVALID_DATA when it cannot be */
  async add(key: string, value: T): Promise<void> {
    this.#rows.set(key, value);
    const line = `${JSON.stringify({ key, value })}\n`;
    this.#writing = this.#writing.then(() => this.#handle?.write(line));
    try {
      await this.#writing;
    } catch (error) {
      throw unusable(this.#path, error);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#writing.catch(() => undefined);
    await this.#handle?.close();
  }
}

function isMissing(error: unknown): boolean {
  return error instanceof Error && 'code' in error && error.code === 'ENOENT';
}

function unusable(path: string, cause: unknown): BlockAttentionError {
  const reason = cause instanceof Error ? cause.message : String(cause);
  return new BlockAttentionError('INVALID_DATA', `${path} cannot be used for results: ${reason}`, { cause });
}
