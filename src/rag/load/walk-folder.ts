/**
 * The files of a folder that may be indexed.
 *
 * Hidden entries, `node_modules` and what `.gitignore` or `.blockignore` files say are left out. Links are followed
 * only to files inside the folder; a link to a folder is passed over, since its files are met on their own path, so no
 * loop is ever entered. Nothing outside the folder is read.
 */
import { lstat, readdir, readFile, realpath, stat } from 'node:fs/promises';
import { isAbsolute, join, relative, sep } from 'node:path';
import { throwIfAborted } from '@block-attention/engine/internal/base';
import ignore, { type Ignore } from 'ignore';
import { fileType, isGenerated } from './file-types.ts';

export interface FoundFile {
  /** Below the root, forward slashes. */
  readonly path: string;
  /** Where its bytes are: no link. */
  readonly realPath: string;
  readonly bytes: number;
  readonly modifiedAt: number;
  /** When its contents, name or rights changed last: also where a tool sets the time of change back. */
  readonly touchedAt: number;
}

export interface WalkOptions {
  /** Obey ignore files. Defaults to true. */
  readonly ignoreFiles?: boolean | undefined;
  readonly signal?: AbortSignal | undefined;
  /** Told what is left out although it looks like a document: path and reason. */
  readonly onSkip?: ((path: string, reason: string) => void) | undefined;
  /** Told of folders that cannot be looked into; the root is ``. */
  readonly onUnreadable?: ((path: string) => void) | undefined;
  /** Told of each file that is of no type that is read; not of what ignore files leave out, nor of what machines write. */
  readonly onOther?: ((path: string) => void) | undefined;
}

const neverEntered: ReadonlySet<string> = new Set(['node_modules', '__pycache__', 'bower_components']);
const ignoreFileNames = ['.gitignore', '.blockignore'];
const largestIgnoreFile = 2 ** 20;
/** Deeper folders are left out: no path that long can be opened everywhere. */
const deepest = 64;

interface Rules {
  /** Folder that the rules are relative to, below the root. */
  readonly base: string;
  readonly matcher: Ignore;
}

/** @param root real path of the folder */
export async function walkFolder(root: string, options: WalkOptions = {}): Promise<FoundFile[]> {
  const { ignoreFiles = true, signal, onSkip = () => {} } = options;
  const files: FoundFile[] = [];
  const waiting: { path: string; rules: readonly Rules[] }[] = [{ path: '', rules: [] }];
  for (let next = waiting.pop(); next !== undefined; next = waiting.pop()) {
    throwIfAborted(signal);
    const here = join(root, next.path);
    const entries = await readdir(here, { withFileTypes: true }).catch((error: NodeJS.ErrnoException) => {
      options.onUnreadable?.(next.path);
      onSkip(next.path === '' ? '.' : next.path, `the folder cannot be read: ${error.code ?? error.message}`);
      return [];
    });
    const own = ignoreFiles
      ? await rulesOf(
          here,
          next.path,
          entries.map(({ name }) => name),
        )
      : undefined;
    const rules = own === undefined ? next.rules : [...next.rules, own];
    const wanted: string[] = [];
    for (const entry of entries) {
      if (entry.name.startsWith('.') || neverEntered.has(entry.name)) continue;
      const path = next.path === '' ? entry.name : `${next.path}/${entry.name}`;
      if (entry.isDirectory()) {
        if (isIgnored(rules, `${path}/`)) continue;
        if (path.split('/').length > deepest) onSkip(path, `it lies more than ${deepest} folders deep`);
        else waiting.push({ path, rules });
      } else if (fileType(path) === undefined) {
        if (entry.isFile() && !isGenerated(path) && !isIgnored(rules, path)) options.onOther?.(path);
      } else if (!isIgnored(rules, path)) wanted.push(path);
    }
    const found = await Promise.all(wanted.map((path) => fileAt(root, path)));
    for (const [i, file] of found.entries()) {
      if (typeof file === 'string') onSkip(wanted[i] ?? '', file);
      else if (file !== undefined) files.push(file);
    }
  }
  return files.sort((a, b) => (a.path < b.path ? -1 : 1));
}

/** The file at a path; why it is left out; or undefined for a folder behind a link. */
async function fileAt(root: string, path: string): Promise<FoundFile | string | undefined> {
  const shown = join(root, path);
  try {
    const there = await lstat(shown);
    const link = there.isSymbolicLink();
    const realPath = link ? await realpath(shown) : shown;
    if (!isInside(root, realPath)) return 'it is a link to outside the folder';
    const found = link ? await stat(realPath) : there;
    if (found.isDirectory()) return undefined;
    // Opening a pipe would wait for its writer.
    if (!found.isFile()) return 'it is not an ordinary file';
    return { path, realPath, bytes: found.size, modifiedAt: found.mtimeMs, touchedAt: found.ctimeMs };
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code;
    const reasons: Readonly<Record<string, string>> = {
      ENOENT: 'it is a link to nowhere',
      ELOOP: 'it is a link in a circle',
    };
    return reasons[code ?? ''] ?? `it cannot be read: ${code ?? String(error)}`;
  }
}

/** Whether a real path lies below a folder's real path. */
export function isInside(root: string, path: string): boolean {
  const way = relative(root, path);
  return way !== '' && !isAbsolute(way) && way !== '..' && !way.startsWith(`..${sep}`);
}

async function rulesOf(folder: string, base: string, names: readonly string[]): Promise<Rules | undefined> {
  const texts: string[] = [];
  for (const name of ignoreFileNames) {
    if (!names.includes(name)) continue;
    const path = join(folder, name);
    const found = await lstat(path).catch(() => undefined);
    if (!found?.isFile() || found.size > largestIgnoreFile) continue;
    texts.push(await readFile(path, 'utf8').catch(() => ''));
  }
  return texts.length === 0 ? undefined : { base, matcher: ignore().add(texts.join('\n')) };
}

/** The innermost ignore file that says anything decides, as in git. */
function isIgnored(rules: readonly Rules[], path: string): boolean {
  for (const { base, matcher } of rules.toReversed()) {
    const below = base === '' ? path : path.slice(base.length + 1);
    const { ignored, unignored } = matcher.test(below);
    if (ignored) return true;
    if (unignored) return false;
  }
  return false;
}
