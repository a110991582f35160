/**
 * Looking after a store's folder from outside: list, count, verify, clean up, forget, pin.
 *
 * Works on the files alone and needs no model, no native library and no running store; safe beside processes that use
 * the folder. All of it is asynchronous and gives way to other work.
 */
import { open, readFile, stat } from 'node:fs/promises';
import { BlockAttentionError } from '../../errors.ts';
import { checkImage } from '../block/block-file.ts';
import { createSeal } from '../block/seal.ts';
import type { BlockKey } from '../block-store.ts';
import { type BlockStoreOptions, createBlockStore } from '../create-store.ts';
import { causeOf } from '../warnings.ts';
import {
  type BlockFile,
  blockPath,
  deleteFile,
  fileExists,
  isMissing,
  listBlocks,
  makeFolder,
  pinPath,
  readFileFields,
  readFileLabel,
  sweepTemporary,
} from './disk-files.ts';
import { DiskSpace } from './disk-space.ts';

/** One stored block, as its header tells; the payload is not read. */
export interface StoredBlockInfo {
  readonly key: BlockKey;
  readonly path: string;
  readonly fileBytes: number;
  readonly pinned: boolean;
  readonly usedAtMs: number;
  /** Undefined fields: the header cannot be read. */
  readonly tokens: number | undefined;
  /** How it was encoded: the anchor it stands behind. Empty: from nothing. */
  readonly encoding: string | undefined;
  readonly payloadBytes: number | undefined;
  /** `modelDigest()` of the model it was encoded with. */
  readonly model: string | undefined;
  /** Digest of the tenant, salted by folder; zeros for the shared space. */
  readonly tenantTag: string | undefined;
  readonly createdAtMs: number | undefined;
  readonly encodeMs: number | undefined;
  readonly sealed: boolean | undefined;
}

/** Lists a folder's blocks, in no order. A missing folder has none. */
export async function* listStore(directory: string): AsyncGenerator<StoredBlockInfo> {
  for await (const file of listBlocks(directory)) {
    const fields = await fieldsOf(file);
    if (fields === undefined) continue;
    const header = typeof fields === 'string' ? undefined : fields;
    yield {
      ...file,
      tokens: header?.tokenCount,
      encoding: header && (await readFileLabel(file.path, header).catch(() => undefined)),
      payloadBytes: header?.payloadBytes,
      model: header?.model,
      tenantTag: header?.tenantTag,
      createdAtMs: header?.createdAtMs,
      encodeMs: header?.encodeMs,
      sealed: header?.sealed,
    };
  }
}

async function fieldsOf({ path }: BlockFile) {
  return readFileFields(path).catch((error: unknown) => (isMissing(error) ? undefined : causeOf(error)));
}

export interface FolderStats {
  readonly blocks: number;
  readonly bytes: number;
  readonly tokens: number;
  readonly pinned: number;
  readonly sealed: number;
  /** Files whose header cannot be read. */
  readonly unreadable: number;
  /** Encoding time that the blocks stand for, in ms. */
  readonly encodeMs: number;
  /** Blocks by model digest. */
  readonly models: Readonly<Record<string, { readonly blocks: number; readonly bytes: number }>>;
}

/** Sums over `listStore`. */
export async function folderStats(directory: string): Promise<FolderStats> {
  const sums = { blocks: 0, bytes: 0, tokens: 0, pinned: 0, sealed: 0, unreadable: 0, encodeMs: 0 };
  const models: Record<string, { blocks: number; bytes: number }> = {};
  for await (const info of listStore(directory)) {
    sums.blocks += 1;
    sums.bytes += info.fileBytes;
    sums.tokens += info.tokens ?? 0;
    sums.encodeMs += info.encodeMs ?? 0;
    if (info.pinned) sums.pinned += 1;
    if (info.sealed === true) sums.sealed += 1;
    if (info.model === undefined) {
      sums.unreadable += 1;
      continue;
    }
    models[info.model] ??= { blocks: 0, bytes: 0 };
    const model = models[info.model];
    if (model === undefined) continue;
    model.blocks += 1;
    model.bytes += info.fileBytes;
  }
  return { ...sums, models };
}

export interface VerifyReport {
  readonly blocks: number;
  readonly corrupt: number;
  /** Sealed blocks of which only the header could be checked, for want of the key. */
  readonly unchecked: number;
  readonly problems: readonly { readonly key: BlockKey; readonly path: string; readonly reason: string }[];
}

/** Reads and checks every block. With `remove`, those that are corrupt are deleted. */
export async function verifyFolder(
  directory: string,
  options: {
    readonly storeKey?: Uint8Array | undefined;
    readonly remove?: boolean | undefined;
    readonly onProgress?: ((blocks: number) => void) | undefined;
  } = {},
): Promise<VerifyReport> {
  const seal = options.storeKey === undefined ? undefined : createSeal(options.storeKey);
  const problems: { key: BlockKey; path: string; reason: string }[] = [];
  let blocks = 0;
  let unchecked = 0;
  for await (const { key, path } of listBlocks(directory)) {
    const state = await readFile(path).then(
      async (image) => (await checkImage(image, key, seal)).state,
      (error: unknown) => (isMissing(error) ? 'evicted' : causeOf(error)),
    );
    if (state === 'evicted') continue;
    blocks += 1;
    if (state === 'sealed') unchecked += 1;
    else if (state !== 'whole') {
      problems.push({ key, path, reason: state });
      if (options.remove === true) await deleteFile(path);
    }
    options.onProgress?.(blocks);
  }
  return { blocks, corrupt: problems.length, unchecked, problems };
}

export interface CleanReport {
  readonly removed: number;
  readonly removedBytes: number;
  /** Files that crashed writers left. */
  readonly temporary: number;
  readonly blocks: number;
  readonly bytes: number;
}

/** Deletes what has expired, what exceeds the budget, and what crashed writers left more than ten minutes ago. */
export async function cleanFolder(
  directory: string,
  options: { readonly diskBytes?: number | undefined; readonly ttlMs?: number | undefined } = {},
): Promise<CleanReport> {
  const before = await folderStats(directory);
  const temporary = await sweepTemporary(directory, 600_000);
  const space = new DiskSpace(directory, {
    budgetBytes: options.diskBytes ?? Number.POSITIVE_INFINITY,
    tenantQuotaBytes: Number.POSITIVE_INFINITY,
    ttlMs: options.ttlMs ?? Number.POSITIVE_INFINITY,
  });
  await space.scan();
  await space.shrink();
  const { blocks, bytes } = space;
  return { removed: before.blocks - blocks, removedBytes: before.bytes - bytes, temporary, blocks, bytes };
}

/**
 * Removes blocks from every tier that the options name. Resolves to how many there were.
 * @throws INVALID_ARGUMENT as `createBlockStore`.
 */
export async function forgetBlocks(options: BlockStoreOptions, keys: readonly BlockKey[]): Promise<number> {
  const store = await createBlockStore({ ...options, memoryBytes: 0 });
  try {
    return await store.remove(keys);
  } finally {
    await store.close();
  }
}

/** Keys of a folder's blocks by what their headers tell, e.g. to forget everything of one model or tenant. */
export async function findBlocks(
  directory: string,
  where: { readonly model?: string | undefined; readonly tenant?: string | undefined },
): Promise<BlockKey[]> {
  const unlimited = { budgetBytes: Infinity, tenantQuotaBytes: Infinity, ttlMs: Infinity };
  const tag =
    where.tenant === undefined
      ? undefined
      : (await new DiskSpace(directory, unlimited).tenantTag(where.tenant)).toString('hex');
  const keys: BlockKey[] = [];
  for await (const info of listStore(directory)) {
    if (where.model !== undefined && info.model !== where.model) continue;
    if (tag !== undefined && info.tenantTag !== tag) continue;
    keys.push(info.key);
  }
  return keys;
}

/** Exempts blocks of a folder from eviction and expiry, or ends that. Resolves to how many are there. */
export async function pinBlocks(directory: string, keys: readonly BlockKey[], pinned = true): Promise<number> {
  let found = 0;
  for (const key of keys) {
    if (!(await fileExists(blockPath(directory, key)))) continue;
    found += 1;
    if (pinned) await (await open(pinPath(directory, key), 'a', 0o600)).close();
    else await deleteFile(pinPath(directory, key));
  }
  return found;
}

/** @throws STORE_INVALID when the path is something else than a folder. Creates it when missing, if asked to. */
export async function checkFolder(directory: string, create = false): Promise<void> {
  const found = await stat(directory).catch(() => undefined);
  if (found === undefined && create) return makeFolder(directory);
  if (found?.isDirectory()) return;
  const what = found === undefined ? 'does not exist' : 'is not a folder';
  throw new BlockAttentionError('STORE_INVALID', `store ${directory} ${what}: give the folder that --store names`);
}
