/** The app on a socket, and its orderly end. */
import type { Server as NodeServer, ServerResponse } from 'node:http';
import type { Duplex } from 'node:stream';
import { setTimeout as delay } from 'node:timers/promises';
import { BlockAttentionError } from '@block-attention/engine/internal/base';
import { serve } from '@hono/node-server';
import { errorBody, RequestError } from './requests/request-error.ts';
import type { Server } from './server.ts';

export interface Listening {
  readonly url: string;
  /**
   * Takes no more requests: from now on they get 503, and so does `/ready`, on a socket that stays open. Waits for those
   * under way, at most `graceMs` (default 30,000), then cancels the rest, whose streams end with an error event.
   * @param options.drainMs least time in which the 503 can be had: for load balancers to see it. Defaults to 0
   */
  close(graceMs?: number, options?: { readonly drainMs?: number | undefined }): Promise<void>;
}

export interface ListenOptions {
  /** Time a request may take to arrive, headers and body, in ms. Defaults to 60,000. */
  readonly requestTimeoutMs?: number | undefined;
}

/** What cancelled requests have to say their last word, before their connections are cut. */
const lastWordMs = 5000;

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
  let closing = false;
  const exchanges = countExchanges(node, () => closing);
  const actual = await promise;
  return {
    url: `http://${hostname.includes(':') ? `[${hostname}]` : hostname}:${actual}`,
    async close(graceMs = 30_000, { drainMs = 0 } = {}) {
      closing = true;
      server.drain();
      const seen = delay(Math.min(drainMs, graceMs), undefined, { ref: false });
      const deadline = new AbortController();
      const timer = setTimeout(() => deadline.abort(), graceMs);
      await Promise.all([seen, exchanges.none(deadline.signal)]);
      clearTimeout(timer);
      server.halt();
      await exchanges.none(AbortSignal.timeout(lastWordMs));
      const closed = new Promise<void>((done) => node.close(() => done()));
      node.closeAllConnections();
      await closed;
      await server.close();
    },
  };
}

/** Requests that came and have not been answered to the end. */
function countExchanges(node: NodeServer, isClosing: () => boolean) {
  let open = 0;
  const waiting = new Set<() => void>();
  node.prependListener('request', (_, response: ServerResponse) => {
    open += 1;
    // Whoever comes while the server ends finds another one, with a connection of its own.
    if (isClosing()) response.setHeader('connection', 'close');
    response.once('close', () => {
      open -= 1;
      if (open === 0) for (const tell of waiting) tell();
    });
  });
  return {
    /** Waits until there are none, or the signal fires. */
    none(signal: AbortSignal): Promise<void> {
      if (open === 0 || signal.aborted) return Promise.resolve();
      return new Promise((resolve) => {
        const tell = () => {
          waiting.delete(tell);
          signal.removeEventListener('abort', tell);
          resolve();
        };
        waiting.add(tell);
        signal.addEventListener('abort', tell, { once: true });
      });
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
  return [400, 'Bad Request', new RequestError('INVALID_ARGUMENT', 'this is not an HTTP request')];
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
