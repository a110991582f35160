/** The cross compiler and the reader of libraries, installed from PyPI into a folder of their own. Needs Python and pip. */
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { here } from '../../packages/engine/native/recipe.mjs';
import { tools } from './platforms.mjs';

const folder = join(here, 'build', 'tools');
const python = process.env.PYTHON ?? (process.platform === 'win32' ? 'python' : 'python3');

export function run(argv, options = {}) {
  const [command, ...rest] = argv;
  const result = spawnSync(command, rest, { encoding: 'utf8', maxBuffer: 1 << 26, ...options });
  if (result.status === 0) return result.stdout.trim();
  const reason = result.error?.message ?? `${result.stdout}${result.stderr}`.trim();
  throw new Error(`${argv.join(' ')} ended with ${result.signal ?? result.status}: ${reason}`);
}

/** Paths of what is pinned, fetched if need be. */
export function installTools() {
  const wanted = Object.entries(tools).map(([name, version]) => `${name}==${version}`);
  const at = join(folder, wanted.join('+'));
  if (!existsSync(join(at, 'complete'))) {
    mkdirSync(at, { recursive: true });
    const quiet = ['--quiet', '--disable-pip-version-check', '--no-deps', '--only-binary=:all:'];
    run([python, '-m', 'pip', 'install', ...quiet, '--upgrade', '--target', at, ...wanted]);
    writeFileSync(join(at, 'complete'), '');
  }
  return {
    zig: join(at, 'ziglang', process.platform === 'win32' ? 'zig.exe' : 'zig'),
    cache: { ZIG_GLOBAL_CACHE_DIR: join(folder, 'cache'), ZIG_LOCAL_CACHE_DIR: join(folder, 'cache') },
    /** Runs a Python program that may import lief. */
    python: (argv) => run([python, ...argv], { env: { ...process.env, PYTHONPATH: at } }),
  };
}
