/** The version of this package. */
import { readFileSync } from 'node:fs';

/** As package.json has it. */
export function packageVersion(): string {
  const file: unknown = JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8'));
  const version = typeof file === 'object' && file !== null && 'version' in file ? file.version : undefined;
  return String(version);
}
