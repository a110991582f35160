/** Small files that options name. */
import { readFile } from 'node:fs/promises';
import { invalid } from './errors.ts';

const maxBytes = 2 ** 20;

/** Text of a file. @throws INVALID_ARGUMENT naming the option when it cannot be read or is no small text. */
export async function textOf(option: string, path: string): Promise<string> {
  let bytes: Buffer;
  try {
    bytes = await readFile(path);
  } catch (error) {
    throw invalid(`${option} cannot be read: ${error instanceof Error ? error.message : String(error)}`, error);
  }
  if (bytes.byteLength > maxBytes)
    throw invalid(`${option} ${path} has ${bytes.byteLength} bytes: give a file of at most 1 MiB`);
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch (error) {
    throw invalid(`${option} ${path} is not UTF-8 text`, error);
  }
}
