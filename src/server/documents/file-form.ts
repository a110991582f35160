/** Forms with a file in them: bounded each, and together. */

import { BlockAttentionError } from '@block-attention/engine/internal/base';
import type { Context } from 'hono';
import type { ServerEnv } from '../context.ts';
import { readBody } from '../requests/read-json.ts';
import { RequestError } from '../requests/request-error.ts';

export interface SentFile {
  /** As the client has it. */
  readonly name: string;
  readonly bytes: Uint8Array;
}

/** Of the form around the file. */
const formBytes = 64 * 2 ** 10;
/** Bodies held in memory at once, of all tenants. */
const atOnce = 4;

export class FileForms {
  #running = 0;

  /** Reads the form, and counts it while `use` goes on. @throws OVERLOADED, and what is wrong with the form */
  async read<T>(c: Context<ServerEnv>, mostBytes: number, use: (file: SentFile) => Promise<T>): Promise<T> {
    if (this.#running >= atOnce) {
      throw new BlockAttentionError('OVERLOADED', `too many files are being sent (${this.#running}): try again later`);
    }
    this.#running += 1;
    try {
      return await use(await readForm(c, mostBytes));
    } finally {
      this.#running -= 1;
    }
  }
}

/** @throws INVALID_ARGUMENT, UNSUPPORTED_MEDIA_TYPE, REQUEST_TOO_LARGE */
async function readForm(c: Context<ServerEnv>, mostBytes: number): Promise<SentFile> {
  const type = c.req.header('content-type') ?? '';
  if (!/^multipart\/form-data\s*;/i.test(type)) {
    throw new RequestError('UNSUPPORTED_MEDIA_TYPE', 'send multipart/form-data with the field file');
  }
  const body = await readBody(c, mostBytes + formBytes);
  let form: FormData;
  try {
    form = await new Response(body, { headers: { 'content-type': type } }).formData();
  } catch {
    throw new RequestError('INVALID_ARGUMENT', 'the body is not a whole multipart form: send it again');
  }
  const [file, other] = form.getAll('file');
  if (!(file instanceof File)) throw new RequestError('INVALID_ARGUMENT', 'file: send a file in this field', 'file');
  if (other !== undefined) throw new RequestError('INVALID_ARGUMENT', 'file: send one file per request', 'file');
  return { name: file.name, bytes: new Uint8Array(await file.arrayBuffer()) };
}
