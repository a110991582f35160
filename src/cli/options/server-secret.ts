/** What tenants' salts are made from: given, or made once and kept, so that stored blocks are found again. */
import { randomBytes } from 'node:crypto';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Environment } from '@block-attention/engine/internal/platform';
import { invalid } from '../terminal/errors.ts';
import type { Output } from '../terminal/output.ts';
import { textOf } from './text-file.ts';

/**
 * The environment's BLOCK_ATTENTION_SECRET, else the file `server-secret` in the cache folder. Where that can neither be
 * read nor made, a server without keys does with a secret of its own: nothing but the parts that requests name is salted.
 * @throws INVALID_ARGUMENT where there are keys
 */
export async function serverSecret(
  env: Environment,
  folder: string,
  { keyed, output }: { readonly keyed: boolean; readonly output: Output },
): Promise<string> {
  if (env.BLOCK_ATTENTION_SECRET) return env.BLOCK_ATTENTION_SECRET;
  const path = join(folder, 'server-secret');
  try {
    await mkdir(folder, { recursive: true });
    await writeFile(path, randomBytes(32).toString('hex'), { mode: 0o600, flag: 'wx' });
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? String(error.code) : undefined;
    if (code === undefined) throw error;
    const reason = `the server secret cannot be kept in ${path} (${code})`;
    if (code !== 'EEXIST' && keyed) {
      throw invalid(
        `${reason}: set BLOCK_ATTENTION_SECRET, or point BLOCK_ATTENTION_CACHE at a folder that can be written`,
      );
    }
    if (code !== 'EEXIST') {
      output.note(`warning: ${reason}: blocks of tenants that requests name are lost when this server ends`);
      return randomBytes(32).toString('hex');
    }
  }
  return (await textOf('the server secret', path)).trim();
}
