/**
 * The protocol's messages on a command's streams: one a line. Ends when the client has closed its side and has its answers,
 * or the signal fires.
 */
import { ReadBuffer, serializeMessage } from '@modelcontextprotocol/sdk/shared/stdio.js';
import type { Transport } from '@modelcontextprotocol/sdk/shared/transport.js';
import type { JSONRPCMessage } from '@modelcontextprotocol/sdk/types.js';
import type { TextSink } from '../terminal/io.ts';

/** Longest message, in bytes. */
const mostBytes = 8 * 2 ** 20;

export class StreamTransport implements Transport {
  onclose?: () => void;
  onerror?: (error: Error) => void;
  onmessage?: (message: JSONRPCMessage) => void;
  /** Settles when no message will come any more. */
  readonly ended: Promise<void>;
  readonly #input: AsyncIterable<Uint8Array>;
  readonly #output: TextSink;
  readonly #buffer = new ReadBuffer({ maxBufferSize: mostBytes });
  #end: () => void = () => undefined;
  /** Requests without an answer so far. */
  readonly #open = new Set<string | number>();
  #inputEnded = false;
  #closed = false;

  constructor(input: AsyncIterable<Uint8Array>, output: TextSink, signal: AbortSignal) {
    this.#input = input;
    this.#output = output;
    this.ended = new Promise((resolve) => (this.#end = resolve));
    if (signal.aborted) this.#end();
    else signal.addEventListener('abort', () => this.#end(), { once: true });
  }

  start(): Promise<void> {
    void this.#read().finally(() => {
      this.#inputEnded = true;
      this.#settle();
    });
    return Promise.resolve();
  }

  async #read(): Promise<void> {
    try {
      for await (const chunk of this.#input) {
        if (this.#closed) return;
        this.#buffer.append(Buffer.from(chunk));
        this.#take();
      }
    } catch (error) {
      this.onerror?.(error instanceof Error ? error : new Error(String(error)));
    }
  }

  #take(): void {
    for (;;) {
      try {
        const message = this.#buffer.readMessage();
        if (message === null) return;
        if ('method' in message && 'id' in message) this.#open.add(message.id);
        // One that is cancelled gets no answer.
        if ('method' in message && message.method === 'notifications/cancelled')
          this.#answered(message.params?.requestId);
        this.onmessage?.(message);
      } catch (error) {
        // A line that is not a message: the next one may be.
        this.onerror?.(error instanceof Error ? error : new Error(String(error)));
      }
    }
  }

  send(message: JSONRPCMessage): Promise<void> {
    if (!this.#closed) this.#output.write(serializeMessage(message));
    if (!('method' in message) && 'id' in message) this.#answered(message.id);
    return Promise.resolve();
  }

  #answered(id: unknown): void {
    if (typeof id === 'string' || typeof id === 'number') this.#open.delete(id);
    this.#settle();
  }

  #settle(): void {
    if (this.#inputEnded && this.#open.size === 0) this.#end();
  }

  close(): Promise<void> {
    if (this.#closed) return Promise.resolve();
    this.#closed = true;
    this.#buffer.clear();
    this.#end();
    this.onclose?.();
    return Promise.resolve();
  }
}
