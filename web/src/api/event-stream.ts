/** Server-sent events of a chat answer: the JSON after each `data:`, until `[DONE]`. */

import { Failure } from './failure.ts';
import type { Chunk } from './types.ts';

/** @throws Failure when the stream carries an error or ends before `[DONE]` */
export async function* readEvents(body: ReadableStream<Uint8Array>): AsyncGenerator<Chunk> {
  const reader = body.pipeThrough(new TextDecoderStream() as ReadableWritablePair<string, Uint8Array>).getReader();
  let rest = '';
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) throw new Failure('unreachable', 'The answer broke off before its end.');
      const events = `${rest}${value}`.split(/\r?\n\r?\n/);
      rest = events.pop() ?? '';
      for (const event of events) {
        const data = dataOf(event);
        if (data === undefined) continue;
        if (data === '[DONE]') return;
        const chunk = JSON.parse(data) as Chunk;
        if (chunk.error) throw streamed(chunk.error);
        yield chunk;
      }
    }
  } finally {
    await reader.cancel().catch(() => undefined);
  }
}

function dataOf(event: string): string | undefined {
  const lines = event.split(/\r?\n/).filter((line) => line.startsWith('data:'));
  return lines.length > 0 ? lines.map((line) => line.slice(5).trimStart()).join('\n') : undefined;
}

function streamed({ message, code }: NonNullable<Chunk['error']>): Failure {
  if (code === 'overloaded' || code === 'shutting_down') return new Failure('busy', message, 1);
  if (code === 'context_length_exceeded') return new Failure('overflow', message);
  return new Failure('other', message);
}
