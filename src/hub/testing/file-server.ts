/**
 * An HTTP server on the loopback that serves one file well, or badly on demand: for tests of downloads only.
 *
 * `behave` decides about each request in turn; without it the file is served with ranges, entity tag and length.
 */
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

export interface Behaviour {
  /** Answer with this status and nothing else. */
  status?: number;
  headers?: Record<string, string>;
  /** Pretend not to know ranges. */
  ignoreRange?: boolean;
  /** Send this many bytes of the answer's body, then cut the connection. */
  cutAfter?: number;
  /** Send this many bytes, then nothing more. */
  stallAfter?: number;
  /** Answer with this body and status 200. */
  body?: string;
}

export interface FileServer extends AsyncDisposable {
  readonly url: string;
  file: Buffer;
  etag: string | undefined;
  behave: ((request: IncomingMessage, index: number) => Behaviour | undefined) | undefined;
  /** Takes over a request before the file is looked at; returns whether it answered. */
  route: ((request: IncomingMessage, response: ServerResponse, body: string) => boolean) | undefined;
  /** `Range` header of every request for the file so far, in order. */
  readonly ranges: (string | undefined)[];
  readonly requests: IncomingMessage[];
}

export async function startFileServer(file: Buffer): Promise<FileServer> {
  const server = createServer((request, response) => {
    let body = '';
    request.on('data', (chunk: Buffer) => {
      body += chunk.toString();
    });
    request.on('end', () => {
      state.requests.push(request);
      if (!state.route?.(request, response, body)) serve(request, response);
    });
  });
  const serve = (request: IncomingMessage, response: ServerResponse): void => {
    const behaviour = state.behave?.(request, state.ranges.length) ?? {};
    state.ranges.push(request.headers.range);
    if (behaviour.status !== undefined) {
      response.writeHead(behaviour.status, behaviour.headers).end();
      return;
    }
    const etag: Record<string, string> = state.etag === undefined ? {} : { etag: state.etag };
    const whole = behaviour.body === undefined ? state.file : Buffer.from(behaviour.body);
    const asked = /^bytes=(\d+)-$/.exec(request.headers.range ?? '')?.[1];
    const condition = request.headers['if-range'];
    const fresh = condition === undefined || condition === state.etag;
    const start = asked === undefined || behaviour.ignoreRange || !fresh ? 0 : Number(asked);
    if (start > 0 && start >= whole.length) {
      response.writeHead(416, { 'content-range': `bytes */${whole.length}` }).end();
      return;
    }
    const part = whole.subarray(start);
    const range: Record<string, string> =
      start > 0 ? { 'content-range': `bytes ${start}-${whole.length - 1}/${whole.length}` } : {};
    response.writeHead(start > 0 ? 206 : 200, {
      'content-length': part.length,
      ...etag,
      ...range,
      ...behaviour.headers,
    });
    const stop = behaviour.cutAfter ?? behaviour.stallAfter;
    if (stop === undefined) {
      response.end(part);
      return;
    }
    response.write(part.subarray(0, stop), () => {
      if (behaviour.cutAfter !== undefined) void turns().then(() => response.destroy());
    });
  };
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const state: FileServer = {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    file,
    etag: '"v1"',
    behave: undefined,
    route: undefined,
    ranges: [],
    requests: [],
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
  return state;
}

/** Bytes with a plausible GGUF header, different for every seed, that do not compress. */
export function fakeGguf(bytes: number, seed = 1): Buffer {
  const file = Buffer.alloc(bytes);
  let value = seed;
  for (let index = 0; index < bytes; index++) {
    value = (Math.imul(value, 1664525) + 1013904223) >>> 0;
    file[index] = value >>> 24;
  }
  file.write('GGUF', 0, 'latin1');
  file.writeUInt32LE(3, 4);
  file.writeBigUInt64LE(2n, 8);
  file.writeBigUInt64LE(3n, 16);
  return file;
}

/**
 * Turns of the event loop for the client, which runs in it, to take what was sent: a cut swallows what it has not
 * read.
 */
async function turns(count = 100): Promise<void> {
  for (let turn = 0; turn < count; turn += 1) await new Promise((resolve) => setTimeout(resolve, 1));
}
