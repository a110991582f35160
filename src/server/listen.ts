/** The app on a socket, and its orderly end. */
import type { Server as NodeServer } from 'node:http';
import { serve } from '@hono/node-server';
import { BlockAttentionError } from '../errors.ts';
import type { Server } from './server.ts';

export interface Listening {
  readonly url: string;
  /** Takes no more requests, waits for those under way, at most `graceMs` (default 30,000), then cancels the rest. */
  close(graceMs?: number): Promise<void>;
}

/** @param port 0 takes a free one @throws INVALID_ARGUMENT when the address cannot be had */
export async function listen(server: Server, port: number, hostname: string): Promise<Listening> {
  const { promise, resolve, reject } = withResolvers<number>();
  const node = serve({ fetch: server.app.fetch, port, hostname }, ({ port: actual }) => resolve(actual)) as NodeServer;
  // A body that trickles in holds a connection no longer than this.
  node.requestTimeout = 60_000;
  node.once('error', (error) => {
    reject(new BlockAttentionError('INVALID_ARGUMENT', `cannot listen on ${hostname}:${port}: ${error.message}`));
  });
  const actual = await promise;
  return {
    url: `http://${hostname.includes(':') ? `[${hostname}]` : hostname}:${actual}`,
    async close(graceMs = 30_000) {
      server.drain();
      const closed = new Promise<void>((done) => node.close(() => done()));
      node.closeIdleConnections();
      const timer = setTimeout(() => {
        server.halt();
        setTimeout(() => node.closeAllConnections(), 1000).unref();
      }, graceMs);
      await closed;
      clearTimeout(timer);
      server.halt();
    },
  };
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
