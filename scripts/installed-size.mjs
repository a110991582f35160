/** What packages take on the disk. */
import { lstatSync, readdirSync } from 'node:fs';
import { join } from 'node:path';

/** Of the engine, installed with all that it depends on. */
export const mostEngineMiB = 65;

/** MiB on disk, as `du` counts them. */
function diskMiB(path) {
  const entry = lstatSync(path);
  const own = ((entry.blocks ?? Math.ceil(entry.size / 512)) * 512) / 2 ** 20;
  if (!entry.isDirectory()) return own;
  return readdirSync(path).reduce((sum, name) => sum + diskMiB(join(path, name)), own);
}

/** @returns MiB of a folder node_modules, and of the packages in it, the largest first */
export function installedSize(modules) {
  const names = readdirSync(modules).flatMap((name) =>
    name.startsWith('@') ? readdirSync(join(modules, name)).map((one) => `${name}/${one}`) : [name],
  );
  const parts = names.map((name) => [name, diskMiB(join(modules, name))]).sort(([, a], [, b]) => b - a);
  return { mib: diskMiB(modules), parts };
}
