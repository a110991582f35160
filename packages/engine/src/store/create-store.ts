/**
 * Builds a block store from options: memory, then a folder, then servers that machines share.
 */
import { join, resolve } from 'node:path';
import { BlockAttentionError } from '../errors.ts';
import { cacheFolder, type Environment } from '../platform/cache-folder.ts';
import { nativeMemory } from './block/memory-source.ts';
import { createSeal } from './block/seal.ts';
import type { BlockStore } from './block-store.ts';
import { DiskTier } from './disk/disk-tier.ts';
import { type ClaimWait, placesOf } from './lower-tiers.ts';
import { checkBytes } from './memory/memory-store.ts';
import type { Claims } from './remote/claims.ts';
import { RemoteTier } from './remote/remote-tier.ts';
import { backendOf, parseSharedUrl, type SharedOptions } from './remote/shared-options.ts';
import type { BlockTier } from './tier.ts';
import { TieredStore } from './tiered-store.ts';
import { type StoreWarning, Warnings } from './warnings.ts';

export interface BlockStoreOptions {
  /** Bytes of blocks kept in memory. Defaults to 2 GiB. */
  readonly memoryBytes?: number | undefined;
  /** Folder of the disk tier, e.g. `defaultDirectory()`. Created when missing. Defaults to none. */
  readonly directory?: string | undefined;
  /** Bytes of all files in the folder. Defaults to 20 GiB. */
  readonly diskBytes?: number | undefined;
  /** Bytes of one tenant's files. Defaults to no limit besides `diskBytes`. */
  readonly tenantQuotaBytes?: number | undefined;
  /** Age past which a stored block is encoded again, in ms. Defaults to never; on shared servers to 7 days. */
  readonly ttlMs?: number | undefined;
  /** Servers that machines share, fastest first: URLs (see `parseSharedUrl`) or options. Defaults to none. */
  readonly shared?: readonly (string | SharedOptions)[] | undefined;
  /** Limit of one operation on a shared server, transfer not counted, in ms. Defaults to 1000. */
  readonly sharedTimeoutMs?: number | undefined;
  /** Pause before a folder or server that failed is tried again, in ms. Defaults to 10,000. */
  readonly retryMs?: number | undefined;
  /**
   * 32 bytes: blocks are stored encrypted (AES-256-GCM), and decrypted into memory instead of mapped. Defaults to
   * none.
   */
  readonly storeKey?: Uint8Array | undefined;
  /** Bytes that may wait to be written to one tier. Defaults to a quarter of `memoryBytes`, but 64 MiB to 1 GiB. */
  readonly writeQueueBytes?: number | undefined;
  /**
   * Keeps machines that share a Redis from encoding the same block at the same time: the first Redis of `shared` holds
   * the claims. `patient` waits for another machine about as long as encoding takes, `strict` as long as it lives.
   * Defaults to none.
   */
  readonly claims?: ClaimOptions | undefined;
  /** Called once per cause of trouble. Defaults to a process warning. */
  readonly onWarning?: ((warning: StoreWarning) => void) | undefined;
  /** Tiers of one's own, below those above. Defaults to none. */
  readonly tiers?: readonly BlockTier[] | undefined;
}

export interface ClaimOptions {
  readonly wait: ClaimWait;
  /** URL of a Redis that holds the claims. Defaults to the first Redis of `shared`. */
  readonly url?: string | undefined;
  /** After how long without a sign of life a machine's claims are void, in ms. Defaults to 10,000. */
  readonly leaseMs?: number | undefined;
}

const gib = 2 ** 30;
const sharedTtlMs = 7 * 86_400_000;

/**
 * Where blocks are kept unless told otherwise, by the command line as well: `blocks` in the package's cache folder
 * (`$BLOCK_ATTENTION_CACHE`, else `block-attention` in the user's cache folder of this platform).
 */
export function defaultDirectory(environment: Environment = process.env): string {
  return join(cacheFolder(environment), 'blocks');
}

/**
 * Creates a store. A folder or server that cannot be used is a warning, and the store works without it; what a folder
 * holds is served at once, and counted in the background.
 * @throws INVALID_ARGUMENT when an option is out of range, or a URL cannot be understood.
 */
export async function createBlockStore(options: BlockStoreOptions = {}): Promise<BlockStore> {
  const memoryBytes = checkBytes('memoryBytes', options.memoryBytes ?? 2 * gib);
  const budgetBytes = checkBytes('diskBytes', options.diskBytes ?? 20 * gib);
  const tenantQuotaBytes = limit('tenantQuotaBytes', options.tenantQuotaBytes, Number.POSITIVE_INFINITY);
  const ttlMs = limit('ttlMs', options.ttlMs, Number.POSITIVE_INFINITY);
  const retryMs = limit('retryMs', options.retryMs, 10_000);
  const timeoutMs = limit('sharedTimeoutMs', options.sharedTimeoutMs, 1000);
  const seal = options.storeKey === undefined ? undefined : createSeal(options.storeKey);
  for (const { name } of options.tiers ?? []) checkTierName(name);
  const warnings = new Warnings(options.onWarning);
  const common = { seal, memory: nativeMemory, warnings, retryMs };
  const tiers: BlockTier[] = [];
  const remoteTtlMs = Math.min(ttlMs, options.ttlMs === undefined ? sharedTtlMs : ttlMs);
  // Shared options are checked before anything is opened.
  const shared = (options.shared ?? []).map(optionsOf);
  const claims = await claimsOf(options, { timeoutMs, retryMs, warnings });
  const backends = await Promise.all(shared.map((server) => backendOf(server, { ttlMs: remoteTtlMs, timeoutMs })));
  if (options.directory !== undefined) {
    const limits = { budgetBytes, tenantQuotaBytes, ttlMs };
    const disk = new DiskTier({ ...common, ...limits, directory: resolve(options.directory) });
    await disk.open();
    tiers.push(disk);
  }
  const places = placesOf(backends.map(({ name }) => name));
  backends.forEach((backend, i) => {
    tiers.push(new RemoteTier({ ...common, backend, name: places[i], timeoutMs, ttlMs: remoteTtlMs }));
  });
  tiers.push(...(options.tiers ?? []));
  const { writeQueueBytes } = options;
  return new TieredStore({ memoryBytes, tiers, writeQueueBytes, warnings, claims, claimWait: options.claims?.wait });
}

/** Names that say where a block was found, and not in which tier. */
const reservedNames = ['memory', 'none'];

function checkTierName(name: string): void {
  if (name.trim() !== '' && !reservedNames.includes(name)) return;
  const remedy = `give it another name than ${reservedNames.join(' or ')}`;
  throw new BlockAttentionError('INVALID_ARGUMENT', `a tier is named ${JSON.stringify(name)}: ${remedy}`);
}

function optionsOf(shared: string | SharedOptions): SharedOptions {
  return typeof shared === 'string' ? parseSharedUrl(shared) : shared;
}

async function claimsOf(
  { claims, shared = [] }: BlockStoreOptions,
  common: { readonly timeoutMs: number; readonly retryMs: number; readonly warnings: Warnings },
): Promise<Claims | undefined> {
  if (claims === undefined) return undefined;
  const servers = claims.url === undefined ? shared : [claims.url];
  for (const server of servers) {
    const options = optionsOf(server);
    const leaseMs = limit('claims.leaseMs', claims.leaseMs, 10_000);
    if (!('redis' in options)) continue;
    const { RedisClaims } = await import('./remote/claims.ts');
    return new RedisClaims({ ...options.redis, ...common, leaseMs });
  }
  throw new BlockAttentionError('INVALID_ARGUMENT', 'claims need a Redis: name one in shared, or in claims.url');
}

function limit(name: string, value: number | undefined, otherwise: number): number {
  if (value === undefined) return otherwise;
  if (value > 0) return value;
  throw new BlockAttentionError('INVALID_ARGUMENT', `${name} is ${value}: give a number above 0`);
}
