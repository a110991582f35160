/** Where charts go. */
import { access, constants } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';
import { invalid } from './errors.ts';

/** Fails before a measurement of minutes instead of after it. @throws INVALID_ARGUMENT */
export async function checkWritable(file: string): Promise<void> {
  try {
    await access(dirname(resolve(file)), constants.W_OK);
    await access(file, constants.W_OK).catch((error: NodeJS.ErrnoException) => {
      if (error.code !== 'ENOENT') throw error;
    });
  } catch (error) {
    throw invalid(`--svg cannot be written: ${error instanceof Error ? error.message : String(error)}`, error);
  }
}
