/**
 * Blocks in S3 or anything that speaks its protocol, addressed by path: `<endpoint>/<bucket>/<prefix><2 hex>/<key>.kv`.
 *
 * One object per block, written in one request, so it appears whole. Objects are removed by age with a lifecycle rule
 * of the bucket; the tier refuses those past its own.
 */
import { AwsClient } from 'aws4fetch';
import type { BlockKey } from '../block-store.ts';
import { type RemoteBackend, WrongLength } from './remote-tier.ts';

export interface S3Options {
  /** `https://host[:port]`, without bucket. */
  readonly endpoint: string;
  readonly bucket: string;
  /** Put before each name. Defaults to none. */
  readonly prefix?: string | undefined;
  /** Defaults to `us-east-1`. */
  readonly region?: string | undefined;
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
  readonly sessionToken?: string | undefined;
}

export class S3Backend implements RemoteBackend {
  readonly name = 's3';
  readonly #client: AwsClient;
  readonly #base: string;

  constructor(options: S3Options) {
    const { accessKeyId, secretAccessKey, sessionToken, region = 'us-east-1' } = options;
    this.#client = new AwsClient({
      accessKeyId,
      secretAccessKey,
      ...(sessionToken === undefined ? {} : { sessionToken }),
      region,
      service: 's3',
      // The tier has its own limits: a retry here would only delay the request.
      retries: 0,
    });
    const prefix = (options.prefix ?? '').split('/').map(encodeURIComponent).join('/');
    this.#base = `${options.endpoint.replace(/\/+$/, '')}/${encodeURIComponent(options.bucket)}/${prefix}`;
  }

  async get(key: BlockKey, bytes: number, signal: AbortSignal, alive: () => void): Promise<Buffer | undefined> {
    const response = await this.#request('GET', key, signal);
    if (response === undefined) return undefined;
    alive();
    const value = Buffer.allocUnsafe(bytes);
    let at = 0;
    for await (const part of response.body ?? []) {
      if (at + part.byteLength > bytes) throw new WrongLength(`block ${key} has more than ${bytes} bytes`);
      value.set(part, at);
      at += part.byteLength;
    }
    if (at !== bytes) throw new WrongLength(`block ${key} has ${at} bytes instead of ${bytes}`);
    return value;
  }

  async put(key: BlockKey, parts: readonly Uint8Array[], signal: AbortSignal): Promise<void> {
    await this.#request('PUT', key, signal, Buffer.concat(parts));
  }

  async has(key: BlockKey, signal: AbortSignal): Promise<boolean> {
    return (await this.#request('HEAD', key, signal)) !== undefined;
  }

  async delete(key: BlockKey, signal: AbortSignal): Promise<boolean> {
    // Deleting answers the same whether or not there was something.
    if (!(await this.has(key, signal))) return false;
    await this.#request('DELETE', key, signal);
    return true;
  }

  async ping(signal: AbortSignal): Promise<void> {
    await this.#request('HEAD', '0'.repeat(64) as BlockKey, signal);
  }

  close(): void {}

  /** The response, its body unread only for GET; undefined when there is no such object. Throws on any other error. */
  async #request(method: string, key: BlockKey, signal: AbortSignal, body?: Buffer): Promise<Response | undefined> {
    const url = `${this.#base}${key.slice(0, 2)}/${key}.kv`;
    const response = await this.#client.fetch(url, { method, signal, body: body ?? null });
    if (method === 'GET' && response.ok) return response;
    await response.arrayBuffer();
    if (response.ok) return response;
    if (response.status === 404 && method !== 'PUT') return undefined;
    throw Object.assign(new Error(`${method} ${url} answered ${response.status}`), { code: `HTTP${response.status}` });
  }
}
