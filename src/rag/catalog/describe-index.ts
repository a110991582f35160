/** What an index says of itself, without opening it. */
import { resolve } from 'node:path';
import { readManifest } from './manifest.ts';

export interface IndexDescription {
  readonly model: string | undefined;
  readonly embedder: string | undefined;
  /** Roots of the folders in it. */
  readonly folders: readonly string[];
}

/** What an index says of itself, without opening it; undefined when there is none. @throws INDEX_INVALID */
export async function describeIndex(directory: string): Promise<IndexDescription | undefined> {
  const manifest = await readManifest(resolve(directory));
  if (manifest === undefined) return undefined;
  const { model, embedder, folders } = manifest;
  return { model, embedder: embedder?.reference, folders: Object.keys(folders) };
}
