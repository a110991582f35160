/** Files of a folder to rows of chunks, each looked at only as closely as it takes to see that it has not changed. */
import { chunkDocument, chunkerVersion } from '../chunk/chunk-document.ts';
import type { CountTokens } from '../chunk/cut-unit.ts';
import type { TableForm } from '../chunk/tables.ts';
import type { SkipCode } from '../load/document.ts';
import { fileType } from '../load/file-types.ts';
import type { OcrSettings } from '../load/ocr-engine.ts';
import type { ParserProcess } from '../load/parser-process.ts';
import type { FoundFile } from '../load/walk-folder.ts';
import type { Words } from '../words/words.ts';
import { type ChunkRow, rowsOf } from './chunk-rows.ts';
import type { CutSettings, KnownFile } from './manifest.ts';

export interface ReadFile {
  readonly path: string;
  readonly known: KnownFile;
  /** The file's chunks; undefined when they are in the index already. */
  readonly rows: readonly ChunkRow[] | undefined;
  readonly status: 'added' | 'changed' | 'unchanged' | 'skipped';
  readonly notes: readonly string[];
}

export interface ReadOptions {
  readonly root: string;
  readonly count: CountTokens;
  readonly words: Words;
  readonly targetTokens: number;
  readonly tables: TableForm;
  readonly maxFileBytes: number;
  /** Defaults to no text recognition. */
  readonly ocr?: OcrSettings | undefined;
}

/** A file whose times lie closer together than this may have changed within one tick of its file system. */
const clockMs = 2000;

export function cutSettings(tokenizer: string, targetTokens: number, tables: TableForm): CutSettings {
  return { chunker: chunkerVersion, tokenizer, targetTokens, tables };
}

/** @param known of the file; undefined to read it whatever it was */
export async function readFile(
  file: FoundFile,
  known: KnownFile | undefined,
  parser: ParserProcess,
  options: ReadOptions,
): Promise<ReadFile> {
  const { path, bytes, modifiedAt, touchedAt, realPath } = file;
  const { ocr } = options;
  const kind = fileType(path)?.type;
  const languages = ocr && (kind === 'pdf' || kind === 'mail') ? ocr.languages.join('+') : undefined;
  // What was read without recognition is read once more where that is asked for.
  const before = languages === undefined || known?.ocr === languages ? known : undefined;
  const now = { bytes, modifiedAt, touchedAt, seenAt: Date.now(), ...(languages !== undefined && { ocr: languages }) };
  const times = before?.modifiedAt === modifiedAt && before.touchedAt === touchedAt;
  if (times && before.bytes === bytes && before.seenAt - Math.max(modifiedAt, touchedAt) > clockMs) {
    const status = before.skipped === undefined ? 'unchanged' : 'skipped';
    return { path, known: before, rows: undefined, status, notes: [] };
  }
  const skip = (reason: string, code: SkipCode, digest?: string): ReadFile => ({
    path,
    known: { ...now, chunks: 0, skipped: reason, skipCode: code, ...(digest !== undefined && { digest }) },
    rows: [],
    status: 'skipped',
    notes: [],
  });
  if (bytes === 0) return skip('it is empty', 'EMPTY');
  if (bytes > options.maxFileBytes)
    return skip(`it has ${bytes} bytes, more than ${options.maxFileBytes} (--max-file)`, 'TOO_LARGE');
  const { root, maxFileBytes: maxBytes } = options;
  const reply = await parser.parse({ root, path: realPath, maxBytes, knownDigest: before?.digest, ocr });
  if (reply.kind === 'unreadable') return skip(reply.reason, reply.code, reply.digest);
  if (reply.kind === 'unchanged' && before !== undefined) {
    return {
      path,
      known: { ...before, ...now },
      rows: undefined,
      status: before.skipped === undefined ? 'unchanged' : 'skipped',
      notes: [],
    };
  }
  if (reply.kind === 'unchanged') return skip('it changed while it was read', 'UNREADABLE');
  const type = kind ?? 'text';
  const notes = new Set(reply.document.notes);
  const drafts = chunkDocument(reply.document, {
    path,
    type,
    count: options.count,
    targetTokens: options.targetTokens,
    tables: options.tables,
    onNote: (note) => notes.add(note),
  });
  const rows = rowsOf({ root, path, type, modifiedAt }, drafts, options.words);
  const read = {
    ...now,
    digest: reply.digest,
    chunks: rows.length,
    tokens: rows.reduce((sum, { tokens }) => sum + tokens, 0),
  };
  return { path, known: read, rows, status: known === undefined ? 'added' : 'changed', notes: [...notes] };
}
