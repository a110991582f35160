/**
 * The parsing process: reads one file at a time for parser-process.ts and answers with its document.
 *
 * Its own process because parsers on hostile files may hang or eat all memory. A thread watches what the process
 * holds, and whether the parent still lives; both also while the parser does not return.
 */
import { createHash } from 'node:crypto';
import { open, realpath, stat } from 'node:fs/promises';
import { isAbsolute, relative, sep } from 'node:path';
import { Worker } from 'node:worker_threads';
import { type ParsedDocument, type SkipCode, UnreadableFile } from './document.ts';
import type { OcrSettings } from './ocr-engine.ts';
import { parseDocument } from './parse-document.ts';

export interface ParseRequest {
  /** Real path of the folder that the file must lie in. */
  readonly root: string;
  readonly path: string;
  readonly maxBytes: number;
  /** Hex SHA-256 of the contents that are known: the same contents are not parsed again. */
  readonly knownDigest?: string | undefined;
  /** Defaults to no text recognition. */
  readonly ocr?: OcrSettings | undefined;
}

export type ParseReply =
  | { readonly kind: 'document'; readonly digest: string; readonly document: ParsedDocument }
  | { readonly kind: 'unchanged'; readonly digest: string }
  | {
      readonly kind: 'unreadable';
      readonly digest: string | undefined;
      readonly reason: string;
      readonly code: SkipCode;
    };

const watchdog = `
const { workerData } = require('node:worker_threads');
setInterval(() => {
  if (process.memoryUsage.rss() > workerData.maxRss || process.ppid !== workerData.parent) process.kill(process.pid, 'SIGKILL');
}, 100);`;

const maxRss = Number(process.argv[2]);
new Worker(watchdog, { eval: true, execArgv: [], workerData: { maxRss, parent: process.ppid } }).unref();

process.on('message', (request: ParseRequest) => {
  void answer(request).then((reply) => process.send?.(reply));
});
process.on('disconnect', () => process.exit());
// Libraries must not write into the terminal of whoever indexes.
for (const level of ['log', 'info', 'warn', 'error', 'debug'] as const) console[level] = () => {};
process.send?.('ready');

async function answer({ root, path, maxBytes, knownDigest, ocr }: ParseRequest): Promise<ParseReply> {
  let digest: string | undefined;
  try {
    const bytes = await readInside(root, path, maxBytes);
    digest = createHash('sha256').update(bytes).digest('hex');
    if (digest === knownDigest) return { kind: 'unchanged', digest };
    return { kind: 'document', digest, document: await parseDocument(bytes, path, { ocr }) };
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    if (error instanceof UnreadableFile) return { kind: 'unreadable', digest, reason: message, code: error.code };
    return { kind: 'unreadable', digest, reason: `it cannot be parsed: ${message.split('\n')[0]}`, code: 'DAMAGED' };
  }
}

/** The file's bytes, unless what was opened lies elsewhere by now: a link may have been put in the way. */
async function readInside(root: string, path: string, maxBytes: number): Promise<Uint8Array> {
  const file = await open(path, 'r').catch((error: NodeJS.ErrnoException) => {
    throw new UnreadableFile(`it cannot be opened: ${error.code ?? error.message}`);
  });
  try {
    const opened = await file.stat();
    if (!opened.isFile()) throw new UnreadableFile('it is not an ordinary file');
    const real = await realpath(path);
    const way = relative(root, real);
    const there = await stat(real);
    const outside = isAbsolute(way) || way === '..' || way.startsWith(`..${sep}`);
    if (outside || there.ino !== opened.ino || there.dev !== opened.dev) {
      throw new UnreadableFile('it leads out of the folder');
    }
    if (opened.size > maxBytes)
      throw new UnreadableFile(`it has ${opened.size} bytes, more than ${maxBytes}`, 'TOO_LARGE');
    return await file.readFile();
  } finally {
    await file.close();
  }
}
