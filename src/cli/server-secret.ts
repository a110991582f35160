/** What tenants' salts are made from: given, or made once and kept, so that stored blocks are found again. */
import { randomBytes } from 'node:crypto';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Environment } from '../cache-folder.ts';
import { textOf } from './text-file.ts';

/** The environment's BLOCK_ATTENTION_SECRET, else the file `server-secret` in the cache folder. */
export async function serverSecret(env: Environment, folder: string): Promise<string> {
  if (env.BLOCK_ATTENTION_SECRET) return env.BLOCK_ATTENTION_SECRET;
  const path = join(folder, 'server-secret');
  await mkdir(folder, { recursive: true });
  await writeFile(path, randomBytes(32).toString('hex'), { mode: 0o600, flag: 'wx' }).catch((error: unknown) => {
    if (!(error instanceof Error && 'code' in error && error.code === 'EEXIST')) throw error;
  });
  return (await textOf('the server secret', path)).trim();
}
