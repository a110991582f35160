/**
 * A file that is being downloaded, and what it is a part of: enough to continue it in a later process, or to see that
 * it has to begin again. The caller holds the folder's lock.
 *
 * Invariant: the state beside the file is written before the first byte of a new version of it.
 */
import { constants } from 'node:fs';
import { type FileHandle, open, readFile, rm } from 'node:fs/promises';
import { replaceFile } from '@block-attention/engine/internal/platform';
import { z } from 'zod';

const stateSchema = z.object({
  /** Strong entity tag or `Last-Modified` of the version the bytes belong to: what `If-Range` takes. */
  validator: z.string().optional(),
  totalBytes: z.number().int().nonnegative().optional(),
  sha256: z.string().optional(),
});

export type PartialState = z.infer<typeof stateSchema>;

export class PartialFile implements AsyncDisposable {
  readonly path: string;
  /** What the bytes so far belong to; undefined before the first response. */
  state: PartialState | undefined;
  /** Bytes so far: where the next one goes. */
  bytes: number;
  readonly handle: FileHandle;

  private constructor(path: string, handle: FileHandle, bytes: number, state: PartialState | undefined) {
    this.path = path;
    this.handle = handle;
    this.bytes = bytes;
    this.state = state;
  }

  /** Opens or creates the file. Bytes without a readable state belong to nothing and are dropped. */
  static async open(path: string): Promise<PartialFile> {
    const handle = await open(path, constants.O_RDWR | constants.O_CREAT);
    const file = new PartialFile(path, handle, (await handle.stat()).size, await readState(path));
    if (file.state === undefined) await file.truncate();
    return file;
  }

  /** Drops every byte and declares what the next ones belong to. */
  async restart(state: PartialState): Promise<void> {
    await this.truncate();
    await replaceFile(statePath(this.path), JSON.stringify(state), { mode: 0o666 });
    this.state = state;
  }

  async append(chunk: Uint8Array): Promise<void> {
    for (let written = 0; written < chunk.length; ) {
      const { bytesWritten } = await this.handle.write(chunk, written, chunk.length - written, this.bytes);
      written += bytesWritten;
      this.bytes += bytesWritten;
    }
  }

  /** Drops every byte and what they belonged to. */
  async clear(): Promise<void> {
    await this.truncate();
    this.state = undefined;
    await rm(statePath(this.path), { force: true });
  }

  /** Closes the file and leaves it for a later run. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.handle.close();
  }

  private async truncate(): Promise<void> {
    await this.handle.truncate(0);
    this.bytes = 0;
  }
}

/** Removes a partial file's state, once the file has its final name. */
export async function forgetPartial(path: string): Promise<void> {
  await rm(statePath(path), { force: true });
}

function statePath(path: string): string {
  return `${path}.json`;
}

async function readState(path: string): Promise<PartialState | undefined> {
  try {
    return stateSchema.parse(JSON.parse(await readFile(statePath(path), 'utf8')));
  } catch {
    return undefined;
  }
}
