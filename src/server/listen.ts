/** The app on a socket, and its orderly end. */
import type { Server as NodeServer } from 'node:http';
import type { Duplex } from 'node:stream';
import { serve } from '@hono/node-server';
import { BlockAttentionError } from '../errors.ts';
import { errorBody, RequestError } from './request-error.ts';
import type { Server } from './server.ts';

export interface Listening {
  readonly url: string;
  /** Takes no more requests, waits for those under way, at most `graceMs` (default 30,000), then cancels the rest. */
  close(graceMs?: number): Promise<void>;
}

export interface ListenOptions {
  /** Time a request may take to arrive, headers and body, in ms. Defaults to 60,000. */
  readonly requestTimeoutMs?: number | undefined;
}

/** Between looks for connections that have become idle, while closing. */
const closingMs = 20;

/** @param port 0 takes a free one @throws INVALID_ARGUMENT when the address cannot be had */
export async function listen(
  server: Server,
  port: number,
  hostname: string,
  { requestTimeoutMs = 60_000 }: ListenOptions = {},
): Promise<Listening> {
  const { promise, resolve, reject } = withResolvers<number>();
  const serverOptions = {
    // A body that trickles in holds a connection no longer than this.
    requestTimeout: requestTimeoutMs,
    headersTimeout: Math.min(requestTimeoutMs, 30_000),
    connectionsCheckingInterval: Math.max(50, Math.min(requestTimeoutMs / 4, 5000)),
  };
  const node = serve({ fetch: server.app.fetch, port, hostname, serverOptions }, ({ port: actual }) =>
    resolve(actual),
  ) as NodeServer;
  node.on('clientError', refuse);
  node.once('error', (error) => {
    reject(new BlockAttentionError('INVALID_ARGUMENT', `cannot listen on ${hostname}:${port}: ${error.message}`));
  });
  const actual = await promise;
  return {
    url: `http://${hostname.includes(':') ? `[${hostname}]` : hostname}:${actual}`,
    async close(graceMs = 30_000) {
      server.drain();
      const closed = new Promise<void>((done) => node.close(() => done()));
      const sweep = setInterval(() => node.closeIdleConnections(), closingMs);
      const timer = setTimeout(() => {
        server.halt();
        setTimeout(() => node.closeAllConnections(), 1000).unref();
      }, graceMs);
      await closed;
      clearTimeout(timer);
      clearInterval(sweep);
      server.halt();
    },
  };
}

/** What never became a request gets an answer, too, in the shape of all others. */
function refuse(error: Error & { code?: string }, socket: Duplex): void {
  if (!socket.writable || error.code === 'ECONNRESET') {
    socket.destroy();
    return;
  }
  const [status, reason, cause] = refusal(error.code);
  const { body } = errorBody(cause);
  const text = JSON.stringify(body);
  const head = [
    `HTTP/1.1 ${status} ${reason}`,
    'content-type: application/json',
    `content-length: ${Buffer.byteLength(text)}`,
    'connection: close',
  ];
  socket.end(`${head.join('\r\n')}\r\n\r\n${text}`);
}

function refusal(code: string | undefined): [status: number, reason: string, error: RequestError] {
  if (code === 'ERR_HTTP_REQUEST_TIMEOUT') {
    return [
      408,
      'Request Timeout',
      new RequestError('REQUEST_TIMEOUT', 'the request did not arrive in time: send it faster'),
    ];
  }
  if (code === 'HPE_HEADER_OVERFLOW') {
    const message = 'the headers are larger than the server accepts: send fewer';
    return [431, 'Request Header Fields Too Large', new RequestError('REQUEST_TOO_LARGE', message)];
  }
  return [400, 'Bad Request', new RequestError('INVALID_ARGUMENT', 'this is no HTTP request')];
}

function withResolvers<T>() {
  let resolve: (value: T) => void = () => {};
  let reject: (error: unknown) => void = () => {};
  const promise = new Promise<T>((onDone, onFail) => {
    resolve = onDone;
    reject = onFail;
  });
  return { promise, resolve, reject };
}
