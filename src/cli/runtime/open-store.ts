/** From flags to a block store. */
import { resolve } from 'node:path';
import type { Environment } from '@block-attention/engine/internal/platform';
import {
  type BlockStore,
  createBlockStore,
  defaultDirectory,
  parseStoreKey,
} from '@block-attention/engine/internal/store';
import type { StoreFlags } from '../options/model-options.ts';
import { textOf } from '../options/text-file.ts';
import type { Output } from '../terminal/output.ts';

/** The folder the flags name; undefined for none. */
export function storeFolder({ store }: Pick<StoreFlags, 'store'>, env: Environment): string | undefined {
  if (store === false) return undefined;
  return store === undefined ? defaultDirectory(env) : resolve(store);
}

/** A store as the flags say; what troubles it goes to the notes. @throws INVALID_ARGUMENT */
export async function openStore(flags: StoreFlags, env: Environment, output: Output): Promise<BlockStore> {
  const { claims = 'patient' } = flags;
  return createBlockStore({
    directory: storeFolder(flags, env),
    memoryBytes: flags.memory,
    diskBytes: flags.disk,
    ttlMs: flags.ttl,
    tenantQuotaBytes: flags.tenantQuota,
    shared: flags.shared,
    storeKey: await storeKeyOf(flags),
    claims: claims !== 'none' && flags.shared?.some(isRedis) ? { wait: claims } : undefined,
    onWarning: ({ message }) => output.note(`warning: ${message}`),
  });
}

/**
 * The store of a worker: keeps nothing itself, so that what it has is what the machines share, and encodes no block
 * that another worker is at.
 */
export async function openWorkerStore(
  flags: Pick<StoreFlags, 'shared' | 'storeKey' | 'ttl'> & { readonly queue: string; readonly takeover?: number },
  output: Output,
): Promise<BlockStore> {
  const { shared = [], queue, takeover } = flags;
  return createBlockStore({
    memoryBytes: 1,
    shared,
    // A write that takes long is better than one that is lost.
    sharedTimeoutMs: 10_000,
    writeQueueBytes: Number.POSITIVE_INFINITY,
    ttlMs: flags.ttl,
    storeKey: await storeKeyOf(flags),
    claims: { wait: 'strict', url: shared.find(isRedis) ?? queue, leaseMs: takeover },
    onWarning: ({ message }) => output.note(`warning: ${message}`),
  });
}

function isRedis(url: string): boolean {
  return /^rediss?:/.test(url);
}

/** The key in the file that `--store-key` names. @throws INVALID_ARGUMENT */
export async function storeKeyOf({ storeKey }: Pick<StoreFlags, 'storeKey'>): Promise<Uint8Array | undefined> {
  return storeKey === undefined ? undefined : parseStoreKey(await textOf('--store-key', storeKey));
}
