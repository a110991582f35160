/** Request bodies: bounded, UTF-8, JSON, of the shape asked for; anything else is an error that names what is wrong. */
import type { Context } from 'hono';
import type { z } from 'zod';
import { RequestError } from './request-error.ts';

/** @throws INVALID_ARGUMENT with the field, REQUEST_TOO_LARGE */
export async function readJson<T extends z.ZodType>(c: Context, schema: T, maxBytes: number): Promise<z.output<T>> {
  const parsed = schema.safeParse(parse(await readBody(c, maxBytes)));
  if (parsed.success) return parsed.data;
  const [issue] = parsed.error.issues;
  const path = issue?.path.join('.') ?? '';
  throw new RequestError('INVALID_ARGUMENT', `${path || 'the body'}: ${issue?.message ?? 'malformed'}`, path || null);
}

async function readBody(c: Context, maxBytes: number): Promise<Uint8Array> {
  const tooLarge = () =>
    new RequestError('REQUEST_TOO_LARGE', `the body has more than ${maxBytes} bytes: send fewer or shorter documents`);
  if (Number(c.req.header('content-length') ?? 0) > maxBytes) throw tooLarge();
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  try {
    for await (const chunk of c.req.raw.body ?? []) {
      bytes += chunk.byteLength;
      if (bytes > maxBytes) throw tooLarge();
      chunks.push(chunk);
    }
  } catch (error) {
    if (error instanceof RequestError) throw error;
    throw new RequestError('ABORTED', 'the client left while sending the body');
  }
  return Buffer.concat(chunks);
}

function parse(body: Uint8Array): unknown {
  let text: string;
  try {
    text = new TextDecoder('utf-8', { fatal: true }).decode(body);
  } catch {
    throw new RequestError('INVALID_ARGUMENT', 'the body is not UTF-8: encode it as JSON in UTF-8');
  }
  try {
    return JSON.parse(text);
  } catch {
    // The parser's own message quotes the body, which is not to reach a log.
    throw new RequestError('INVALID_ARGUMENT', 'the body is not JSON: send one JSON object');
  }
}
