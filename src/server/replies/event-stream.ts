/** JSON values from a generator as a stream, at the reader's pace: server-sent events, or a line each. */

/** How a stream writes its values and its end. */
export interface StreamFormat {
  readonly contentType: string;
  readonly write: (value: unknown) => string;
  /** Behind the last value; empty for nothing. */
  readonly end: string;
}

/** As OpenAI's chat and completions have them. */
export const events: StreamFormat = {
  contentType: 'text/event-stream; charset=utf-8',
  write: (value) => `data: ${JSON.stringify(value)}\n\n`,
  end: 'data: [DONE]\n\n',
};

/** Events that say their `type` by name, as OpenAI's responses have them. */
export const namedEvents: StreamFormat = {
  ...events,
  write: (value) => `event: ${typeOf(value)}\ndata: ${JSON.stringify(value)}\n\n`,
  end: '',
};

/** A value a line. */
export const lines: StreamFormat = {
  contentType: 'application/x-ndjson',
  write: (value) => `${JSON.stringify(value)}\n`,
  end: '',
};

function typeOf(value: unknown): string {
  return typeof value === 'object' && value !== null && 'type' in value ? String(value.type) : 'error';
}

/**
 * @param chunks JSON values, in order; a value thrown becomes the last one, as `onError` words it
 * @param onCancel called when the reader leaves
 */
export function valueStream(
  chunks: AsyncGenerator<unknown, void>,
  { contentType, write, end }: StreamFormat,
  { onError, onCancel }: { readonly onError: (error: unknown) => unknown; readonly onCancel: () => void },
): Response {
  const encoder = new TextEncoder();
  const body = new ReadableStream<Uint8Array>({
    async pull(controller) {
      try {
        const { done, value } = await chunks.next();
        if (!done) controller.enqueue(encoder.encode(write(value)));
        else if (end !== '') controller.enqueue(encoder.encode(end));
        if (done) controller.close();
      } catch (error) {
        controller.enqueue(encoder.encode(write(onError(error))));
        controller.close();
      }
    },
    cancel: onCancel,
  });
  const headers = { 'content-type': contentType, 'cache-control': 'no-cache, no-transform' };
  return new Response(body, { headers: { ...headers, 'x-accel-buffering': 'no' } });
}
