/**
 * The package's folder for what can be made or fetched again: models, blocks, digests, verdicts, indexes. Pure naming:
 * nothing is created or read here.
 */
import { homedir } from 'node:os';
import { join, resolve } from 'node:path';

/** The environment variables a call reads. Defaults to `process.env` wherever it is an option. */
export type Environment = Readonly<Record<string, string | undefined>>;

/**
 * The package's folder for files that can be fetched again: `$BLOCK_ATTENTION_CACHE`, else
 * `$XDG_CACHE_HOME/block-attention`, else the platform's own (`~/.cache`, `~/Library/Caches`, `%LOCALAPPDATA%`).
 */
export function cacheFolder(env: Environment = process.env, platform: NodeJS.Platform = process.platform): string {
  const own = env.BLOCK_ATTENTION_CACHE;
  if (own) return resolve(own);
  const xdg = env.XDG_CACHE_HOME;
  if (xdg) return join(resolve(xdg), 'block-attention');
  const home = (platform === 'win32' ? env.USERPROFILE : env.HOME) || homedir();
  if (platform === 'darwin') return join(home, 'Library', 'Caches', 'block-attention');
  if (platform !== 'win32') return join(home, '.cache', 'block-attention');
  return join(env.LOCALAPPDATA || join(home, 'AppData', 'Local'), 'block-attention');
}
