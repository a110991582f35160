/** Server-sent events from a generator, at the reader's pace. */

/**
 * @param chunks JSON values, in order; a value thrown becomes the last event, as `onError` words it
 * @param onCancel called when the reader leaves
 */
export function eventStream(
  chunks: AsyncGenerator<unknown, void>,
  { onError, onCancel }: { readonly onError: (error: unknown) => unknown; readonly onCancel: () => void },
): Response {
  const encoder = new TextEncoder();
  const event = (text: string) => encoder.encode(`data: ${text}\n\n`);
  const body = new ReadableStream<Uint8Array>({
    async pull(controller) {
      try {
        const { done, value } = await chunks.next();
        if (done) controller.enqueue(event('[DONE]'));
        else controller.enqueue(event(JSON.stringify(value)));
        if (done) controller.close();
      } catch (error) {
        controller.enqueue(event(JSON.stringify(onError(error))));
        controller.close();
      }
    },
    cancel: onCancel,
  });
  const headers = { 'content-type': 'text/event-stream; charset=utf-8', 'cache-control': 'no-cache, no-transform' };
  return new Response(body, { headers: { ...headers, 'x-accel-buffering': 'no' } });
}
