/** The packages of this repository and their manifests, the engine first. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));

/** The package.json in a folder. @param folder defaults to the repository's root */
export const readManifest = (folder = root) => JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8'));

/** Folders of the packages. */
export const packages = { engine: join(root, 'packages', 'engine'), main: root };

/**
 * Doors of a package that its users may name, with the compiled file of types behind each: not those called internal,
 * which are this repository's own.
 */
export function publicDoors({ exports }) {
  return Object.entries(exports).flatMap(([door, { types }]) =>
    types === undefined || door.startsWith('./internal/') ? [] : [{ door, types }],
  );
}
