/** Bytes on a socket, as no client library would send them, and what came back. For tests. */
import { connect } from 'node:net';

export interface RawAnswer {
  /** Undefined when the connection ended without an answer. */
  readonly status: number | undefined;
  readonly body: string;
}

export interface RawRequest {
  /** Sent one after the other. */
  readonly parts: readonly (string | Uint8Array)[];
  /** Pause between parts, in ms. Defaults to 0. */
  readonly pauseMs?: number;
  /** Whether the connection is cut after the last part, without waiting. Defaults to false. */
  readonly cut?: boolean;
}

export function sendRaw(url: string, { parts, pauseMs = 0, cut = false }: RawRequest): Promise<RawAnswer> {
  const { hostname, port } = new URL(url);
  return new Promise((resolve) => {
    const chunks: Buffer[] = [];
    const socket = connect(Number(port), hostname);
    socket.on('data', (chunk) => chunks.push(chunk));
    // A server that has answered may close before it has read everything: that is not a failure of the answer.
    socket.on('error', () => undefined);
    socket.on('close', () => {
      const text = Buffer.concat(chunks).toString();
      const status = /^HTTP\/1\.1 (\d{3})/.exec(text)?.[1];
      const body = text.slice(text.indexOf('\r\n\r\n') + 4);
      resolve({ status: status === undefined ? undefined : Number(status), body });
    });
    const send = (index: number) => {
      const part = parts[index];
      if (socket.destroyed) return;
      if (part === undefined) {
        if (cut) socket.resetAndDestroy();
        return;
      }
      socket.write(part, () => setTimeout(() => send(index + 1), pauseMs));
    };
    socket.on('connect', () => send(0));
  });
}

/** The head of a POST of JSON that closes its connection. */
export function postHead(path: string, length: number | 'chunked'): string {
  const framing = length === 'chunked' ? 'transfer-encoding: chunked' : `content-length: ${length}`;
  return `POST ${path} HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-type: application/json\r\nconnection: close\r\n${framing}\r\n\r\n`;
}
