/**
 * Request bodies: bounded, UTF-8, JSON, of the shape asked for; anything else is an error that names what is wrong.
 *
 * The type must be JSON's: a page in a browser may send any other without asking first.
 */

import { BlockAttentionError } from '@block-attention/engine/internal/base';
import type { Context } from 'hono';
import type { z } from 'zod';
import type { ServerEnv } from '../context.ts';
import type { Limits } from '../options.ts';
import type { BodyLease } from './body-budget.ts';
import { hasMoreValues } from './json-size.ts';
import { RequestError } from './request-error.ts';

/** @throws INVALID_ARGUMENT with the field, REQUEST_TOO_LARGE, OVERLOADED, UNSUPPORTED_MEDIA_TYPE */
export async function readJson<T extends z.ZodType>(
  c: Context<ServerEnv>,
  schema: T,
  { bodyBytes, bodyValues }: Pick<Limits, 'bodyBytes' | 'bodyValues'>,
): Promise<z.output<T>> {
  const type = c.req.header('content-type') ?? '';
  if (!/^application\/([\w.-]{1,64}\+)?json[ \t]*(;|$)/i.test(type)) {
    const sent = type === '' ? 'no Content-Type was sent' : `the Content-Type is ${JSON.stringify(type.slice(0, 100))}`;
    throw new RequestError('UNSUPPORTED_MEDIA_TYPE', `${sent}: send application/json`);
  }
  const body = await readBody(c, bodyBytes);
  if (hasMoreValues(body, bodyValues)) {
    throw new RequestError('REQUEST_TOO_LARGE', `the body has more than ${bodyValues} values: send fewer`);
  }
  const parsed = schema.safeParse(parse(body));
  if (parsed.success) return parsed.data;
  const [issue] = parsed.error.issues;
  const path = issue?.path.join('.') ?? '';
  const message = `${path || 'the body'}: ${issue?.message ?? 'malformed'}`;
  throw new RequestError('INVALID_ARGUMENT', message, path || null, issue?.code);
}

/** The bytes of a body, unpacked. @throws INVALID_ARGUMENT, REQUEST_TOO_LARGE, OVERLOADED, UNSUPPORTED_MEDIA_TYPE, ABORTED */
export async function readBody(c: Context<ServerEnv>, maxBytes: number): Promise<Buffer<ArrayBuffer>> {
  const tooLarge = () =>
    new RequestError('REQUEST_TOO_LARGE', `the body has more than ${maxBytes} bytes: send fewer or shorter documents`);
  if (Number(c.req.header('content-length') ?? 0) > maxBytes) throw tooLarge();
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  const lease: BodyLease | undefined = c.get('body');
  const coding = codingOf(c);
  try {
    // Counted as it is unpacked: a few bytes can stand for gigabytes.
    for await (const chunk of unpacked(c.req.raw.body, coding)) {
      bytes += chunk.byteLength;
      if (bytes > maxBytes) throw tooLarge();
      lease?.take(chunk.byteLength);
      chunks.push(chunk);
    }
  } catch (error) {
    if (BlockAttentionError.isInstance(error)) throw error;
    if (coding !== undefined && isBadData(error)) {
      throw new RequestError('INVALID_ARGUMENT', `the body is not whole ${coding} data: compress it again`);
    }
    throw new RequestError('ABORTED', 'the client left while sending the body');
  }
  return Buffer.concat(chunks);
}

/** @throws UNSUPPORTED_MEDIA_TYPE for compressions that are not read */
function codingOf(c: Context<ServerEnv>): 'gzip' | 'deflate' | undefined {
  const coding = (c.req.header('content-encoding') ?? 'identity').trim().toLowerCase();
  if (coding === 'identity' || coding === '') return undefined;
  if (coding === 'gzip' || coding === 'x-gzip') return 'gzip';
  if (coding === 'deflate') return 'deflate';
  c.header('accept-encoding', 'gzip, deflate');
  const sent = JSON.stringify(coding.slice(0, 100));
  throw new RequestError('UNSUPPORTED_MEDIA_TYPE', `the Content-Encoding is ${sent}: use gzip, deflate or none`);
}

function unpacked(
  body: ReadableStream<Uint8Array> | null,
  coding: 'gzip' | 'deflate' | undefined,
): AsyncIterable<Uint8Array> | Iterable<Uint8Array> {
  if (body === null) return [];
  return coding === undefined ? body : body.pipeThrough(new DecompressionStream(coding));
}

/** Of zlib's own errors, where the client did not leave. */
function isBadData(error: unknown): boolean {
  const code = error instanceof Error && 'code' in error ? String(error.code) : '';
  return error instanceof TypeError || code.startsWith('Z_') || code === 'ERR_TRAILING_JUNK_AFTER_STREAM_END';
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
