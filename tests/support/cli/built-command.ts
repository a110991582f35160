/** The command as users run it: compiled. For tests. */
import { execFileSync } from 'node:child_process';
import { copyFileSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('../../..', import.meta.url));

export class BuiltCommand implements Disposable {
  // Below node_modules, so that dependencies are found.
  readonly #folder: string;

  constructor() {
    const cache = join(root, 'node_modules', '.cache');
    mkdirSync(cache, { recursive: true });
    this.#folder = mkdtempSync(join(cache, 'block-attention-'));
    const tsc = join(root, 'node_modules', 'typescript', 'bin', 'tsc');
    const options = ['--outDir', join(this.#folder, 'dist'), '--declaration', 'false', '--sourceMap', 'false'];
    execFileSync(process.execPath, [tsc, '-p', join(root, 'tsconfig.build.json'), ...options], { stdio: 'inherit' });
    copyFileSync(join(root, 'package.json'), join(this.#folder, 'package.json'));
  }

  get script(): string {
    return join(this.#folder, 'dist', 'cli', 'main.js');
  }

  [Symbol.dispose](): void {
    rmSync(this.#folder, { recursive: true, force: true });
  }
}
