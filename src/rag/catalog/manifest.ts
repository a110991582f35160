/**
 * What an index knows of the folders in it: `index.json`, beside the tables.
 *
 * The tables are the truth about chunks; this file remembers which contents of which files they came from. It is
 * written after the tables, by renaming, so that after a crash it may know too little, never too much: what it does not
 * know is read again, and gives the same chunks.
 */
import { mkdir, readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { BlockAttentionError } from '@block-attention/engine/internal/base';
import { replaceFile } from '@block-attention/engine/internal/platform';
import type { TableForm } from '../chunk/tables.ts';
import type { SkipCode } from '../load/document.ts';

export interface KnownFile {
  readonly bytes: number;
  readonly modifiedAt: number;
  readonly touchedAt: number;
  /** When it was looked at, in ms since 1970. */
  readonly seenAt: number;
  /** Hex SHA-256; absent for files that could not be read. */
  readonly digest?: string | undefined;
  readonly chunks: number;
  /** Of all of its chunks; absent in indexes of before it was noted. */
  readonly tokens?: number | undefined;
  /** Why it has no chunks. */
  readonly skipped?: string | undefined;
  readonly skipCode?: SkipCode | undefined;
  /** Languages in which pictures of its pages were read; absent where they were not. */
  readonly ocr?: string | undefined;
}

/** How a folder was cut. Other settings make all of its chunks again. */
export interface CutSettings {
  readonly chunker: number;
  readonly tokenizer: string;
  readonly targetTokens: number;
  readonly tables: TableForm;
}

export interface KnownFolder {
  readonly cut: CutSettings;
  readonly files: Readonly<Record<string, KnownFile>>;
  /** When it was indexed last, in ms since 1970. */
  readonly updatedAt: number;
}

export interface EmbedderRecord {
  /** What was given to open it: a model reference or URL. */
  readonly reference: string;
  readonly identity: string;
  readonly dimensions: number;
}

export interface Manifest {
  readonly version: 1;
  /** Reference of the model that answers unless told otherwise. */
  readonly model?: string | undefined;
  /** Of endings and function words; a name of languages.ts. */
  readonly language: string;
  /** `wordsVersion` of the words in the table; absent in indexes of before there was one. */
  readonly words?: number | undefined;
  readonly embedder?: EmbedderRecord | undefined;
  /** Languages in which scanned pages are read unless told otherwise. */
  readonly ocr?: string | undefined;
  /** A run has begun to change the tables and not yet brought the search index up to date and cleaned up. */
  readonly unsettled?: boolean | undefined;
  readonly folders: Readonly<Record<string, KnownFolder>>;
}

const fileName = 'index.json';
const version = 1;

/** The manifest of an index; undefined when there is none. @throws INDEX_INVALID */
export async function readManifest(directory: string): Promise<Manifest | undefined> {
  const path = join(directory, fileName);
  let text: string;
  try {
    text = await readFile(path, 'utf8');
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT') return undefined;
    throw new BlockAttentionError('INDEX_INVALID', `${path} cannot be read: ${code ?? String(error)}`, {
      cause: error,
    });
  }
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw damaged(path, error);
  }
  if (typeof value !== 'object' || value === null || !('version' in value) || !('folders' in value))
    throw damaged(path);
  if (value.version !== version) {
    throw new BlockAttentionError(
      'INDEX_INVALID',
      `${path} has version ${String(value.version)}, this package reads ${version}: delete the folder and index again`,
    );
  }
  if (!isManifest(value)) throw damaged(path);
  return value;
}

/** Differs whenever the manifest was written again; undefined where there is none. */
export async function manifestVersion(directory: string): Promise<string | undefined> {
  const found = await stat(join(directory, fileName), { bigint: true }).catch(() => undefined);
  return found && `${found.ino} ${found.mtimeNs} ${found.size}`;
}

/** What is used of it has the form it is used in. */
function isManifest(value: object): value is Manifest {
  const { language, folders, model, words, embedder, ocr } = value as Readonly<Record<string, unknown>>;
  const optional = (what: unknown, type: string) => what === undefined || typeof what === type;
  if (
    typeof language !== 'string' ||
    !optional(model, 'string') ||
    !optional(words, 'number') ||
    !optional(ocr, 'string')
  )
    return false;
  if (!isRecord(folders) || !Object.values(folders).every((one) => isRecord(one) && isRecord(one.files))) return false;
  if (embedder === undefined) return true;
  if (!isRecord(embedder) || !Number.isInteger(embedder.dimensions)) return false;
  return typeof embedder.reference === 'string' && typeof embedder.identity === 'string';
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function damaged(path: string, cause?: unknown): BlockAttentionError {
  const message = `${path} is damaged: delete its folder and index again; the documents themselves are untouched`;
  return new BlockAttentionError('INDEX_INVALID', message, { cause });
}

export async function writeManifest(directory: string, manifest: Manifest): Promise<void> {
  await mkdir(directory, { recursive: true, mode: 0o700 });
  await replaceFile(join(directory, fileName), JSON.stringify(manifest));
}
