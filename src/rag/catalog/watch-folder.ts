/**
 * Keeps an index up to date while its folder changes: changes are gathered, then one run looks at the folder.
 *
 * The watcher only says that something happened; what happened, the run finds out. A missed event is caught by the next.
 */
import { basename } from 'node:path';
import { fileType } from '../load/file-types.ts';
import type { IndexSummary } from '../types.ts';
import type { DocumentIndex } from './document-index.ts';
import { rootOf, type UpdateOptions } from './update-folder.ts';

export interface WatchOptions extends UpdateOptions {
  /** Ends the watching. */
  readonly signal: AbortSignal;
  /** Quiet time after the last change before a run, in ms. Defaults to 400. */
  readonly quietMs?: number | undefined;
  /** After each run: the first, and those in which something changed. */
  readonly onUpdate?: ((summary: IndexSummary) => void) | undefined;
  /** Called when a run fails; the watching goes on. */
  readonly onError?: ((error: unknown) => void) | undefined;
}

/** Updates once, then after every change, until the signal fires. @throws what the first run throws */
export async function watchFolder(index: DocumentIndex, folder: string, options: WatchOptions): Promise<void> {
  const { signal, quietMs = 400, onUpdate, onError } = options;
  const root = await rootOf(folder);
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
    onUpdate?.(await index.update(root, options));
    let seen = 0;
    while (!signal.aborted) {
      const waited = performance.now() - changed;
      if (changed > seen && waited >= quietMs) {
        seen = performance.now();
        try {
          const summary = await index.update(root, options);
          const { added, changed: other, removed } = summary.files;
          if (added + other + removed > 0) onUpdate?.(summary);
        } catch (error) {
          if (!signal.aborted) onError?.(error);
        }
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
