/**
 * Verdicts that come with this package, on models whose files its aliases name. A file each, called after what it is about,
 * so that a model's own is found without reading others. Only those that allow block mode come along: of any other model a
 * server finds out by itself.
 */
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { VerdictIdentity } from './verdict-store.ts';

/** Their folder. */
export const shippedVerdicts = fileURLToPath(new URL('../../../verdicts/', import.meta.url));

/** Path of the verdict on this very model, template and KV type; undefined with an adapter, of which the package knows none. */
export function shippedPath(identity: VerdictIdentity, folder: string): string | undefined {
  const { weights, template, kvType, adapter } = identity;
  if (adapter !== undefined) return undefined;
  return join(folder, `${weightsPart(weights)}${template.replace(/[^\w.-]+/g, '-')}-${kvType}.json`);
}

/** Paths of all verdicts on these weights, with any template and KV type, in the order of their names. */
export async function shippedPaths({ weights, adapter }: VerdictIdentity, folder: string): Promise<string[]> {
  if (adapter !== undefined) return [];
  const names = await readdir(folder).catch(() => []);
  const own = names.filter((name) => name.startsWith(weightsPart(weights)) && name.endsWith('.json'));
  return own.sort().map((name) => join(folder, name));
}

/** Enough of the digest for a name; the file says all of it. */
function weightsPart(weights: string): string {
  return `${weights.slice(0, 16)}-`;
}
