/**
 * When a folder changed: a sign at once, and one after every flurry of changes.
 *
 * It only says that something happened; what happened, whoever listens finds out. A missed event is caught by the next.
 */
import { basename } from 'node:path';
import { fileType } from '../load/file-types.ts';

export interface FolderChangesOptions {
  /** Ends the watching. */
  readonly signal: AbortSignal;
  /** Quiet time after the last change before it is told, in ms. Defaults to 400. */
  readonly quietMs?: number | undefined;
  /** Called when something cannot be watched; the rest still is. */
  readonly onError?: ((error: unknown) => void) | undefined;
}

/** Yields once the folder is watched, then after changes, until the signal fires. @param root real path of the folder */
export async function* folderChanges(
  root: string,
  { signal, quietMs = 400, onError }: FolderChangesOptions,
): AsyncGenerator<void, void> {
  const { watch } = await import('chokidar');
  let changed = 0;
  let wake = () => {};
  const watcher = watch(root, {
    ignoreInitial: true,
    followSymlinks: false,
    ignored: (path, stats) => {
      const name = basename(path);
      if (path !== root && (name === 'node_modules' || (name.startsWith('.') && !name.endsWith('ignore')))) return true;
      return stats?.isFile() === true && fileType(path) === undefined && !name.endsWith('ignore');
    },
  });
  watcher.on('all', () => {
    changed = performance.now();
    wake();
  });
  watcher.on('error', (error) => onError?.(error));
  const onAbort = () => wake();
  signal.addEventListener('abort', onAbort);
  try {
    // What changes from here on is seen; what changed before, the first run reads.
    await new Promise<void>((resolve) => watcher.once('ready', resolve));
    let seen = 0;
    yield;
    while (!signal.aborted) {
      const waited = performance.now() - changed;
      if (changed > seen && waited >= quietMs) {
        seen = performance.now();
        yield;
        continue;
      }
      await new Promise<void>((resolve) => {
        const timer = changed > seen ? setTimeout(resolve, quietMs - waited) : undefined;
        wake = () => {
          clearTimeout(timer);
          resolve();
        };
        // A change or the signal may have come since they were looked at.
        if (signal.aborted || (timer === undefined && changed > seen)) wake();
      });
    }
  } finally {
    signal.removeEventListener('abort', onAbort);
    await watcher.close();
  }
}
