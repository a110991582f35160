/**
 * Where fetched models lie. Pure naming: nothing is created or read here.
 *
 * One folder per reference, named for people and made unique by a hash of the canonical reference, so that names which
 * differ only in case, or in characters a file system cannot hold, never share one.
 */
import { createHash } from 'node:crypto';
import { join, resolve } from 'node:path';
import { cacheFolder, type Environment } from '@block-attention/engine/internal/platform';
import { formatModelReference, type RemoteReference } from './reference.ts';

/** The folder of all fetched models: `models` below `cacheDir`, which defaults to `cacheFolder(env)`. */
export function modelsFolder(options: { cacheDir?: string | undefined; env?: Environment | undefined } = {}): string {
  return join(resolve(options.cacheDir ?? cacheFolder(options.env)), 'models');
}

/** The folder that holds one fetched model, its record and, while it is being fetched, the parts of it. */
export function entryFolder(models: string, reference: RemoteReference): string {
  const hash = createHash('sha256').update(formatModelReference(reference)).digest('hex').slice(0, 12);
  return join(models, reference.kind, `${safeName(readableName(reference), 80)}-${hash}`);
}

/** The part of a model that is being fetched, within its folder. */
export const partialName = 'download.partial';

/** The file name a fetched model gets, ending in `.gguf`. */
export function modelFileName(name: string): string {
  const last = name.split('/').at(-1) ?? '';
  return `${safeName(last.replace(/\.gguf$/i, ''), 100)}.gguf`;
}

function readableName(reference: RemoteReference): string {
  if (reference.kind === 'pypi') return `${reference.package}-${reference.version}`;
  if (reference.kind === 'hub') return `${reference.owner}-${modelFileName(reference.file)}`;
  const url = new URL(reference.url);
  return `${url.hostname}-${modelFileName(url.pathname)}`;
}

/** Characters every file system takes, no leading dot or dash, never empty. */
function safeName(text: string, maxLength: number): string {
  const plain = text.replace(/[^A-Za-z0-9._-]+/g, '-').replace(/^[.-]+/, '');
  return (
    plain
      .slice(-maxLength)
      .replace(/^[.-]+/, '')
      .replace(/[.-]+$/, '') || 'model'
  );
}
