/**
 * The files that clients sent, as a folder: nothing is kept about them but themselves. A file's id is made from its name
 * in the folder. Knows no index.
 *
 * A file appears whole or not at all: it is written under a hidden name, which nothing reads, and renamed.
 */
import { createHash, randomUUID } from 'node:crypto';
import { mkdir, readdir, readFile, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { BlockAttentionError } from '@block-attention/engine/internal/base';
import { replaceFile } from '@block-attention/engine/internal/platform';
import { RequestError } from '../requests/request-error.ts';
import { numbered, uploadName } from './upload-name.ts';

export interface UploadLimits {
  /** Bytes of one file. Defaults to 32 MiB. */
  readonly fileBytes: number;
  /** Files of one tenant. Defaults to 1,000. */
  readonly files: number;
  /** Bytes of all files of one tenant. Defaults to 1 GiB. */
  readonly totalBytes: number;
}

export const defaultUploadLimits: UploadLimits = { fileBytes: 32 * 2 ** 20, files: 1000, totalBytes: 2 ** 30 };

export interface StoredFile {
  readonly id: string;
  /** In the folder. */
  readonly name: string;
  readonly bytes: number;
  /** In ms since 1970. */
  readonly modifiedAt: number;
}

const hidden = '.upload-';

export class Uploads {
  readonly folder: string;
  readonly #limits: UploadLimits;
  #tail: Promise<unknown> = Promise.resolve();

  private constructor(folder: string, limits: UploadLimits) {
    this.folder = folder;
    this.#limits = limits;
  }

  /** Makes the folder if need be, and clears away what an earlier process left half written. */
  static async open(folder: string, limits: UploadLimits): Promise<Uploads> {
    await mkdir(folder, { recursive: true, mode: 0o700 });
    const names = await readdir(folder);
    await Promise.all(
      names.filter((name) => name.startsWith(hidden)).map((name) => rm(join(folder, name), { force: true })),
    );
    return new Uploads(folder, limits);
  }

  /** Oldest first. */
  async list(): Promise<StoredFile[]> {
    const entries = await readdir(this.folder, { withFileTypes: true });
    const names = entries.filter((entry) => entry.isFile() && !entry.name.startsWith('.')).map(({ name }) => name);
    const files = await Promise.all(names.map((name) => this.#describe(name).catch(() => undefined)));
    const there = files.filter((file) => file !== undefined);
    return there.sort((a, b) => a.modifiedAt - b.modifiedAt || (a.name < b.name ? -1 : 1));
  }

  /** @throws NOT_FOUND */
  async get(id: string): Promise<StoredFile> {
    const found = (await this.list()).find((file) => file.id === id);
    if (found) return found;
    throw new BlockAttentionError('NOT_FOUND', 'there is no such file: GET /v1/files lists them');
  }

  async read(file: StoredFile): Promise<Uint8Array<ArrayBuffer>> {
    return new Uint8Array(await readFile(join(this.folder, file.name)));
  }

  /**
   * Keeps a file. One of the same name and contents is the same file; another of that name gets a number.
   * @param sent name as the client has it @throws INVALID_ARGUMENT, UNSUPPORTED_MEDIA_TYPE, REQUEST_TOO_LARGE, DISK_FULL
   */
  put(sent: string, bytes: Uint8Array): Promise<StoredFile> {
    const name = uploadName(sent);
    return this.#exclusively(async () => {
      const files = await this.list();
      const same = files.find(
        (file) => file.name.toLowerCase() === name.toLowerCase() && file.bytes === bytes.byteLength,
      );
      if (same && Buffer.compare(await this.read(same), bytes) === 0) return same;
      this.#checkRoom(files, bytes.byteLength);
      const taken = new Set(files.map((file) => file.name.toLowerCase()));
      let free = name;
      for (let number = 2; taken.has(free.toLowerCase()); number++) free = numbered(name, number);
      const temporary = join(this.folder, `${hidden}${randomUUID()}`);
      try {
        await replaceFile(join(this.folder, free), bytes, { temporary });
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== 'ENOSPC') throw error;
        throw new BlockAttentionError('DISK_FULL', 'the disk of the server has no room for the file', { cause: error });
      }
      return this.#describe(free);
    });
  }

  /** @throws NOT_FOUND */
  remove(id: string): Promise<StoredFile> {
    return this.#exclusively(async () => {
      const file = await this.get(id);
      await rm(join(this.folder, file.name), { force: true });
      return file;
    });
  }

  #checkRoom(files: readonly StoredFile[], bytes: number): void {
    const { fileBytes, files: most, totalBytes } = this.#limits;
    const refuse = (message: string) => new RequestError('REQUEST_TOO_LARGE', `file: ${message}`, 'file');
    if (bytes > fileBytes) throw refuse(`it has ${bytes} bytes, more than ${fileBytes}: send it in parts`);
    if (files.length >= most) throw refuse(`the maximum of ${most} files is reached: delete some first`);
    const total = files.reduce((sum, file) => sum + file.bytes, 0);
    if (total + bytes <= totalBytes) return;
    throw refuse(`all files together may have ${totalBytes} bytes, ${total} are taken: delete some first`);
  }

  async #describe(name: string): Promise<StoredFile> {
    const { size, mtimeMs } = await stat(join(this.folder, name));
    const id = `file-${createHash('sha256').update(name).digest('hex').slice(0, 24)}`;
    return { id, name, bytes: size, modifiedAt: mtimeMs };
  }

  #exclusively<T>(work: () => Promise<T>): Promise<T> {
    const result = this.#tail.then(work);
    this.#tail = result.catch(() => undefined);
    return result;
  }
}
