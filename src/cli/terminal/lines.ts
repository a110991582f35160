/** Lines of a stream of bytes, as they come. */

/** Ends with the stream, or when the signal fires. */
export async function* linesOf(input: AsyncIterable<Uint8Array>, signal: AbortSignal): AsyncGenerator<string> {
  const decoder = new TextDecoder();
  let rest = '';
  const pieces = input[Symbol.asyncIterator]();
  const cancelled = new Promise<undefined>((resolve) => signal.addEventListener('abort', () => resolve(undefined)));
  for (;;) {
    const next = signal.aborted ? undefined : await Promise.race([pieces.next(), cancelled]);
    if (next === undefined) return;
    rest += next.done === true ? decoder.decode() : decoder.decode(next.value, { stream: true });
    const lines = rest.split('\n');
    rest = next.done === true ? '' : (lines.pop() ?? '');
    for (const line of lines) if (line !== '' || next.done !== true) yield line.replace(/\r$/, '');
    if (next.done === true) return;
  }
}
