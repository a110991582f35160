/**
 * Passages from JSON lines: `{id?, title?, text}` each. Reads a stream, so that a limit is met before memory is full.
 */
import { BlockAttentionError } from '../../errors.ts';
import { requireContent, requirePrevious, requireText } from '../input-checks.ts';
import type { Passage } from '../types.ts';

export interface PassageLimits {
  /** Longest line or file. */
  readonly maxPassageBytes: number;
  /** Longest input. */
  readonly maxTotalBytes: number;
}

const newline = 0x0a;

/** @param name what error messages call the source. @throws INVALID_PASSAGES naming `name:line` and the field. */
export async function readJsonl(
  chunks: AsyncIterable<Uint8Array>,
  name: string,
  limits: PassageLimits,
): Promise<Passage[]> {
  const passages: Passage[] = [];
  let number = 0;
  for await (const bytes of lines(chunks, name, limits)) {
    number++;
    const line = decode(bytes, `${name}:${number}`);
    if (line.trim() !== '') passages.push(parseLine(line, `${name}:${number}`));
  }
  return passages;
}

/** The stream's lines as bytes, without their line breaks. */
async function* lines(chunks: AsyncIterable<Uint8Array>, name: string, limits: PassageLimits) {
  let pending: Uint8Array[] = [];
  let pendingBytes = 0;
  let totalBytes = 0;
  let number = 1;
  const add = (bytes: Uint8Array) => {
    pendingBytes += bytes.length;
    if (pendingBytes > limits.maxPassageBytes) {
      throw new BlockAttentionError(
        'INVALID_PASSAGES',
        `${name}:${number} is longer than ${limits.maxPassageBytes} bytes: split the passage, or check that every passage is on a line of its own`,
      );
    }
    pending.push(bytes);
  };
  for await (const chunk of chunks) {
    totalBytes += chunk.length;
    if (totalBytes > limits.maxTotalBytes) {
      throw new BlockAttentionError(
        'INVALID_PASSAGES',
        `${name} is longer than ${limits.maxTotalBytes} bytes: split it`,
      );
    }
    let from = 0;
    for (let at = chunk.indexOf(newline); at >= 0; at = chunk.indexOf(newline, from)) {
      add(chunk.subarray(from, at));
      yield Buffer.concat(pending);
      from = at + 1;
      pending = [];
      pendingBytes = 0;
      number++;
    }
    add(chunk.subarray(from));
  }
  yield Buffer.concat(pending);
}

/** Strict UTF-8, a byte order mark dropped. @throws INVALID_PASSAGES naming `where`. */
export function decode(bytes: Uint8Array, where: string): string {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch (cause) {
    throw new BlockAttentionError('INVALID_PASSAGES', `${where} is not UTF-8: convert the file to UTF-8`, { cause });
  }
}

function parseLine(line: string, where: string): Passage {
  const code = 'INVALID_PASSAGES';
  let value: unknown;
  try {
    value = JSON.parse(line);
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new BlockAttentionError(code, `${where} is not JSON: ${reason}; write one object per line`, { cause });
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw new BlockAttentionError(
      code,
      `${where} is not an object: write {"text": "…"}, with "title" and "id" if you like`,
    );
  }
  const { id, title, text, previous }: { [name in keyof Passage]?: unknown } = value;
  requireContent(text, `${where}: field "text"`, code);
  return {
    ...(id === undefined || id === null
      ? {}
      : { id: requireText(typeof id === 'number' ? String(id) : id, `${where}: field "id"`, code) }),
    ...(title === undefined || title === null ? {} : { title: requireText(title, `${where}: field "title"`, code) }),
    text: requireText(text, `${where}: field "text"`, code),
    ...(previous === undefined || previous === null
      ? {}
      : { previous: requirePrevious(previous, `${where}: field "previous"`) }),
  };
}
