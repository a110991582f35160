/**
 * The digest of native/src, which a library reports that was compiled from it: a library of other sources may take other
 * structs, or compute something else.
 */
import { createHash } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { packageRoot } from './native-file.ts';

let digest: string | undefined;

/** In hex, computed as native/recipe.mjs does. Reads the sources once per process. @throws when they are not there */
export function kernelSources(): string {
  if (digest === undefined) {
    const folder = join(packageRoot, 'native', 'src');
    const hash = createHash('sha256');
    for (const name of readdirSync(folder).sort()) {
      const text = readFileSync(join(folder, name), 'utf8').replaceAll('\r\n', '\n');
      hash.update(`${name}\0${text}\0`);
    }
    digest = hash.digest('hex');
  }
  return digest;
}
