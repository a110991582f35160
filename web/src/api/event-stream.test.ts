import { describe, expect, it } from 'vitest';
import { readEvents } from './event-stream.ts';
import { Failure } from './failure.ts';

/** The text in pieces of `size` bytes, as a network may cut it. */
function streamOf(text: string, size: number): ReadableStream<Uint8Array> {
  const bytes = new TextEncoder().encode(text);
  let at = 0;
  return new ReadableStream({
    pull(controller) {
      if (at >= bytes.length) return controller.close();
      controller.enqueue(bytes.slice(at, at + size));
      at += size;
    },
  });
}

async function texts(text: string, size: number): Promise<string> {
  let all = '';
  for await (const { choices } of readEvents(streamOf(text, size))) all += choices[0]?.delta?.content ?? '';
  return all;
}

const piece = (content: string) => `data: ${JSON.stringify({ choices: [{ delta: { content } }] })}\n\n`;

describe('readEvents', () => {
  it.each([1, 3, 7, 1000])('reads the same whatever the cuts: %i bytes', async (size) => {
    expect(await texts(`${piece('naïve ')}: comment\n\n${piece('日本\n\n')}data: [DONE]\n\n`, size)).toBe(
      'naïve 日本\n\n',
    );
  });

  it('takes Windows line ends', async () => {
    expect(await texts(`${piece('a')}data: [DONE]\n\n`.replaceAll('\n', '\r\n'), 5)).toBe('a');
  });

  it('fails when the stream ends before its end is announced', async () => {
    await expect(texts(piece('a'), 9)).rejects.toMatchObject({ kind: 'unreachable' });
  });

  it('fails with the error a stream carries', async () => {
    const text = `data: ${JSON.stringify({ error: { message: 'too long', code: 'context_length_exceeded' } })}\n\n`;
    const failure = await texts(text, 9).catch((error: unknown) => error);
    expect(failure).toBeInstanceOf(Failure);
    expect(failure).toMatchObject({ kind: 'overflow', message: 'too long' });
  });
});
