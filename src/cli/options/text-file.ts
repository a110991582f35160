/** Small files that options name. */
import { readFile } from 'node:fs/promises';
import { invalid } from '../terminal/errors.ts';

const maxBytes = 2 ** 20;
const maxJsonBytes = 64 * 2 ** 20;

/** Text of a file. @throws INVALID_ARGUMENT naming the option when it cannot be read or is not a small text. */
export async function textOf(option: string, path: string, limit = maxBytes): Promise<string> {
  let bytes: Buffer;
  try {
    bytes = await readFile(path);
  } catch (error) {
    throw invalid(`${option} cannot be read: ${error instanceof Error ? error.message : String(error)}`, error);
  }
  if (bytes.byteLength > limit)
    throw invalid(`${option} ${path} has ${bytes.byteLength} bytes: give a file of at most ${limit / 2 ** 20} MiB`);
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch (error) {
    throw invalid(`${option} ${path} is not UTF-8 text`, error);
  }
}

/** Value of a JSON file. @throws INVALID_ARGUMENT naming the option when it cannot be read or is not JSON */
export async function jsonOf(option: string, path: string): Promise<unknown> {
  const text = await textOf(option, path, maxJsonBytes);
  try {
    return JSON.parse(text);
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw invalid(`${option} ${path} is not JSON: ${reason}`, error);
  }
}
