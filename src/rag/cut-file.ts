/** A file, or a text, as the passages that an index would make of it. Nothing of it is kept. */
import { randomUUID } from 'node:crypto';
import { mkdtemp, realpath, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { extname, join } from 'node:path';
import { BlockAttentionError } from '@block-attention/engine/internal/base';
import type { TokenCounter } from '@block-attention/engine/internal/engine';
import { chunkDocument } from './chunk/chunk-document.ts';
import type { TableForm } from './chunk/tables.ts';
import { fileType } from './load/file-types.ts';
import { ocrSettings } from './load/ocr-engine.ts';
import { type ParserLimits, ParserProcess } from './load/parser-process.ts';
import { type Chunk, sourceOf } from './types.ts';

export interface CutOptions extends ParserLimits {
  readonly tokenizer: TokenCounter;
  /** Most tokens of a passage's text. Defaults to 256. */
  readonly chunkTokens?: number | undefined;
  /** As in an index. */
  readonly tables?: TableForm | undefined;
  /** As of an index's update, but not recorded. Defaults to none. */
  readonly ocr?: string | undefined;
}

export type CutPassage = Pick<
  Chunk,
  'title' | 'text' | 'startLine' | 'endLine' | 'page' | 'place' | 'source' | 'tokens'
>;

export interface CutFile {
  readonly passages: readonly CutPassage[];
  /** What is odd about the file, a sentence each. */
  readonly notes: readonly string[];
}

/** Cuts files, one after the other, in a process of their own, which the first one starts. */
export class FileCutter implements AsyncDisposable {
  readonly #options: CutOptions;
  readonly #parser: ParserProcess;

  constructor(options: CutOptions) {
    this.#options = options;
    this.#parser = new ParserProcess(options);
  }

  /** @param name says the type @throws INVALID_PASSAGES for what holds nothing to read */
  async cut(name: string, bytes: Uint8Array): Promise<CutFile> {
    const { tokenizer, chunkTokens: targetTokens = 256, tables, ocr = 'none' } = this.#options;
    const type = fileType(name)?.type ?? 'text';
    const unreadable = (reason: string) =>
      new BlockAttentionError('INVALID_PASSAGES', `the file was not read: ${reason}`);
    if (bytes.byteLength === 0) throw unreadable('it is empty');
    const root = await realpath(await mkdtemp(join(tmpdir(), 'block-attention-cut-')));
    try {
      // Types without an ending are known by their names.
      const path = join(root, extname(name) === '' ? name : `${randomUUID()}${extname(name)}`);
      await writeFile(path, bytes, { mode: 0o600 });
      const reply = await this.#parser.parse({
        root,
        path,
        maxBytes: bytes.byteLength,
        ocr: ocr === 'none' ? undefined : ocrSettings(ocr),
      });
      if (reply.kind !== 'document') throw unreadable(reply.kind === 'unreadable' ? reply.reason : 'it changed');
      const notes = new Set(reply.document.notes);
      const count = (text: string) => tokenizer.count(text);
      const onNote = (note: string) => notes.add(note);
      const drafts = chunkDocument(reply.document, { path: name, type, count, targetTokens, tables, onNote });
      const passages = drafts.map(({ title, text, startLine, endLine, page, place, tokens }) => {
        const at = { startLine, endLine, page, place };
        return { title, text, ...at, tokens, source: sourceOf({ path: name, page, place }, at) };
      });
      return { passages, notes: [...notes] };
    } finally {
      await rm(root, { recursive: true, force: true });
    }
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#parser[Symbol.asyncDispose]();
  }
}
