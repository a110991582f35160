/** Lines of a file of questions, packed with gzip or not; and the paragraphs that its references name. */
import { readFile } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { gunzip } from 'node:zlib';
import { BlockAttentionError } from '../../errors.ts';
import type { Passage } from '../../prompt/index.ts';
import { parseRow } from './question-rows.ts';

/** Most bytes that an archive may unpack to: more than any set of questions has. */
const mostBytes = 2 ** 30;
const unpack = promisify(gunzip);

/** @returns lines, blank ones included, so that their index is their number. @throws INVALID_DATA */
export async function questionLines(path: string): Promise<string[]> {
  let bytes: Buffer;
  try {
    bytes = await readFile(path);
  } catch (cause) {
    throw invalid(`questions cannot be read: ${reasonOf(cause)}`, cause);
  }
  if (bytes[0] === 0x1f && bytes[1] === 0x8b) {
    try {
      bytes = await unpack(bytes, { maxOutputLength: mostBytes });
    } catch (cause) {
      throw invalid(`${path} cannot be unpacked: ${reasonOf(cause)}`, cause);
    }
  }
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes).split('\n');
  } catch (cause) {
    throw invalid(`${path} is not UTF-8: convert the file to UTF-8`, cause);
  }
}

/**
 * The paragraphs that a file `NAME-10p-refs.jsonl` refers to, by id: those of `NAME.jsonl` or `NAME.jsonl.gz` beside it.
 * @throws INVALID_DATA when there is no such file
 */
export async function referencedParagraphs(path: string): Promise<Map<string, Passage>> {
  const name = basename(path).replace(/\.jsonl(\.gz)?$/, '');
  const source = name.replace(/(-\d+p)?-refs$/, '');
  const candidates = [`${source}.jsonl`, `${source}.jsonl.gz`].map((file) => join(dirname(path), file));
  for (const candidate of source === name ? [] : candidates) {
    const lines = await questionLines(candidate).catch((error: unknown) => {
      if (BlockAttentionError.isInstance(error) && isMissing(error.cause)) return undefined;
      throw error;
    });
    if (lines === undefined) continue;
    const paragraphs = new Map<string, Passage>();
    for (const [index, line] of lines.entries()) {
      if (line.trim() === '') continue;
      const row = parseRow(line, `${candidate}:${index + 1}`);
      if (row.kind === 'paragraph' && row.id !== undefined) paragraphs.set(row.id, row.paragraph);
    }
    return paragraphs;
  }
  throw invalid(
    `${path} names passages by "ref", and the file with their texts is missing: put NAME.jsonl beside NAME-refs.jsonl`,
  );
}

function isMissing(error: unknown): boolean {
  return error instanceof Error && 'code' in error && error.code === 'ENOENT';
}

function reasonOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

function invalid(message: string, cause?: unknown): BlockAttentionError {
  return new BlockAttentionError('INVALID_DATA', message, { cause });
}
