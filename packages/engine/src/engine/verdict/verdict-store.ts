/**
 * Verdicts on models: what `verify` found, kept in the cache folder, beside the model by whoever made it, or in a package.
 *
 * A verdict belongs to the model's file, its adapter, the prompt template and the type of stored keys and values, wherever
 * it lies.
 * Anything that cannot be read, or is about another file, is not a verdict.
 */
import { createHash } from 'node:crypto';
import { mkdir, readFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { weightsDigest } from '../../model/index.ts';
import { cacheFolder, replaceFile } from '../../platform/index.ts';
import { promptFormat } from '../../prompt/index.ts';
import { type ContextPolicy, parsePolicy } from '../policy/policy.ts';
import type { KvType, PromptTemplate } from '../types.ts';
import { shippedPath, shippedPaths } from './shipped-verdicts.ts';
import type { StoredVerdict } from './verdict-schema.ts';

export type { StoredVerdict };

/** What a verdict holds for. */
export interface VerdictIdentity {
  /** Hex SHA-256 of the model's file, its vocabulary and chat template included. */
  readonly weights: string;
  /** Name of the template and version of the built-in ones. */
  readonly template: string;
  readonly kvType: KvType;
  /** adapterIdentity() of the adapter; absent without one. */
  readonly adapter?: string | undefined;
}

export interface VerdictIdentityOptions {
  readonly modelPath: string;
  /** Defaults to `auto`. */
  readonly template?: PromptTemplate | undefined;
  /** Defaults to `f16`. */
  readonly kvType?: KvType | undefined;
  /** adapterIdentity() of the adapter. Defaults to none. */
  readonly adapter?: string | undefined;
  /** Defaults to the user's cache folder. */
  readonly cacheDir?: string | undefined;
}

export async function verdictIdentity(options: VerdictIdentityOptions): Promise<VerdictIdentity> {
  const { modelPath, template = 'auto', kvType = 'f16', adapter, cacheDir = cacheFolder() } = options;
  const weights = await weightsDigest(modelPath, join(cacheDir, 'digests'));
  return { weights, template: `${template} ${promptFormat}`, kvType, ...(adapter !== undefined && { adapter }) };
}

/** Where the maker of a model, or of an adapter, puts the verdict that travels with it. */
export function verdictBeside(path: string): string {
  return `${path}.verdict.json`;
}

/** Where verdicts are looked for. */
export interface VerdictPlaces {
  /** Of the user's own. Defaults to the user's cache folder. */
  readonly cacheDir?: string | undefined;
  /** The model's or adapter's file. Defaults to none. */
  readonly beside?: string | undefined;
  /** Folder of verdicts that a package carries. Defaults to none. */
  readonly shipped?: string | undefined;
}

/**
 * The verdict on a model: the user's own, else the one beside the model's or adapter's file, else one that is shipped, if
 * it is about these very files.
 */
export async function readVerdict(
  identity: VerdictIdentity,
  { cacheDir = cacheFolder(), beside, shipped }: VerdictPlaces = {},
): Promise<StoredVerdict | undefined> {
  const paths = [
    verdictPath(identity, cacheDir),
    beside && verdictBeside(beside),
    shipped && shippedPath(identity, shipped),
  ];
  for (const path of paths) {
    const found = path ? await readFrom(path, identity) : undefined;
    if (found !== undefined) return found;
  }
  return undefined;
}

/**
 * The policy of a verdict beside a model or adapter, or of a shipped one, that is about these weights with another template
 * or KV type: what its maker used it under says more than any default.
 */
export async function verdictPolicy(
  identity: VerdictIdentity,
  { beside, shipped }: Pick<VerdictPlaces, 'beside' | 'shipped'>,
): Promise<ContextPolicy | undefined> {
  const paths = [
    ...(beside === undefined ? [] : [verdictBeside(beside)]),
    ...(shipped === undefined ? [] : await shippedPaths(identity, shipped)),
  ];
  for (const path of paths) {
    const stored = await storedAt(path);
    if (stored?.verdict !== 'block' || stored.policy === null) continue;
    const { weights, adapter } = stored.identity;
    if (weights === identity.weights && adapter === identity.adapter) return parsePolicy(stored.policy);
  }
  return undefined;
}

/** Replaces the verdict, whole or not at all. @param options.forAll lets other users read it @returns its path. @throws what the file system does */
export async function writeVerdict(
  stored: Omit<StoredVerdict, 'version'>,
  path: string = verdictPath(stored.identity, cacheFolder()),
  { forAll = false }: { readonly forAll?: boolean | undefined } = {},
): Promise<string> {
  await mkdir(dirname(path), { recursive: true });
  const text = `${JSON.stringify({ version: 1, ...stored }, null, 2)}\n`;
  await replaceFile(path, text, { mode: forAll ? 0o644 : 0o600 });
  return path;
}

/** Where the user's own verdict is kept. */
export function verdictPath(identity: VerdictIdentity, cacheDir: string): string {
  const name = createHash('sha256').update(canonical(identity)).digest('hex').slice(0, 32);
  return join(cacheDir, 'verdicts', `${name}.json`);
}

async function readFrom(path: string, identity: VerdictIdentity): Promise<StoredVerdict | undefined> {
  const stored = await storedAt(path);
  return stored && canonical(stored.identity) === canonical(identity) ? stored : undefined;
}

async function storedAt(path: string): Promise<StoredVerdict | undefined> {
  try {
    const text = await readFile(path, 'utf8');
    // Most models have no verdict: only a file that is there brings zod.
    const { storedSchema } = await import('./verdict-schema.ts');
    return storedSchema.parse(JSON.parse(text));
  } catch {
    return undefined;
  }
}

function canonical({ weights, template, kvType, adapter }: VerdictIdentity): string {
  return JSON.stringify([weights, template, kvType, ...(adapter === undefined ? [] : [adapter])]);
}
