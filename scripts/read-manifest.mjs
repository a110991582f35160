/** The repository's package.json. */
import { readFileSync } from 'node:fs';

export const readManifest = () => JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8'));
