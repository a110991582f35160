/**
 * One writer per folder, across processes and machines that share the folder.
 *
 * A lock is a file created exclusively; its holder touches it every few seconds. A lock whose holder is gone (its
 * process has ended on this host, or the file was not touched for half a minute) is taken over. Should a holder be
 * taken for dead while it only slept, both write the same bytes, and the checksum of what lies on disk decides.
 *
 * By hand, since proper-lockfile does not know whose a lock is: after a crash it waits as long as for a holder on another
 * machine, and one that wakes late removes its successor's lock. Here a holder removes its own lock alone.
 */
import { randomUUID } from 'node:crypto';
import { type FileHandle, mkdir, open, readFile, rename, rm, rmdir, stat, utimes } from 'node:fs/promises';
import { hostname } from 'node:os';
import { dirname, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { throwIfAborted } from '../abort.ts';
import { diskError, systemCode } from './disk-error.ts';

export interface LockTimings {
  /** How often the holder touches its lock. */
  readonly heartbeatMs: number;
  /** A lock of a process that has ended is taken over after this time without a touch. */
  readonly deadAfterMs: number;
  /** Any lock is taken over after this time without a touch. */
  readonly staleAfterMs: number;
  /** How often a waiter looks. */
  readonly pollMs: number;
}

const defaultTimings: LockTimings = { heartbeatMs: 2_000, deadAfterMs: 5_000, staleAfterMs: 30_000, pollMs: 200 };

/**
 * Runs `body` while holding the lock of `folder`, which is created. Waits for another holder, however long it lives.
 * @param options.onWait called before each look at a lock that someone else holds
 * @throws ABORTED while waiting; DISK_FULL, INVALID_ARGUMENT for a folder that cannot be written; what `body` throws
 */
export async function withFolderLock<T>(
  folder: string,
  body: () => Promise<T>,
  options: { signal?: AbortSignal | undefined; onWait?: () => Promise<void> | void; timings?: LockTimings } = {},
): Promise<T> {
  const timings = options.timings ?? defaultTimings;
  const path = join(folder, 'lock');
  const token = JSON.stringify({ host: hostname(), pid: process.pid, id: randomUUID() });
  try {
    while (!(await create(path, token))) {
      throwIfAborted(options.signal, `cancelled while another process writes '${folder}'`);
      await takeOverIfStale(path, timings);
      await options.onWait?.();
      await sleep(timings.pollMs);
    }
  } catch (error) {
    throw diskError(error, folder);
  }
  const heartbeat = setInterval(() => {
    const now = new Date();
    // A missed touch is harmless; a lock that was taken over must not be created again.
    utimes(path, now, now).catch(() => undefined);
  }, timings.heartbeatMs);
  heartbeat.unref();
  try {
    return await body();
  } finally {
    clearInterval(heartbeat);
    if ((await readFile(path, 'utf8').catch(() => '')) === token) await rm(path, { force: true });
    // Fails unless nothing came of it.
    await rmdir(folder).catch(() => undefined);
  }
}

/** Whether somebody holds the lock of `folder`: whose process has not ended, as far as can be told, and who touched it lately. */
export async function isLocked(folder: string, timings: LockTimings = defaultTimings): Promise<boolean> {
  const held = await lookAt(join(folder, 'lock'));
  return held !== undefined && !holderEnded(held.token) && held.idleMs < timings.staleAfterMs;
}

async function create(path: string, token: string): Promise<boolean> {
  await makeFolder(dirname(path));
  let handle: FileHandle;
  try {
    handle = await open(path, 'wx');
  } catch (error) {
    // The folder may vanish with the lock of a holder that left nothing in it. Windows reports a file that is just
    // being deleted as EPERM.
    const code = systemCode(error);
    if (code === 'EEXIST' || code === 'ENOENT' || (code === 'EPERM' && process.platform === 'win32')) return false;
    throw error;
  }
  try {
    await handle.writeFile(token);
  } catch (error) {
    await rm(path, { force: true });
    throw error;
  } finally {
    await handle.close();
  }
  return true;
}

/** A holder that left nothing behind removes the folder, perhaps between mkdir's own look and its answer: once more. */
async function makeFolder(folder: string): Promise<void> {
  for (let left = 10; ; left--) {
    try {
      await mkdir(folder, { recursive: true });
      return;
    } catch (error) {
      if (systemCode(error) !== 'ENOENT' || left === 0) throw error;
    }
  }
}

async function takeOverIfStale(path: string, timings: LockTimings): Promise<void> {
  const held = await lookAt(path);
  if (held === undefined) return; // Released meanwhile.
  const { token: before, idleMs } = held;
  if (idleMs < (holderEnded(before) ? timings.deadAfterMs : timings.staleAfterMs)) return;
  // Moving it away first lets one of several waiters win; a fresh lock moved by mistake is put back.
  const aside = `${path}.${randomUUID()}`;
  try {
    await rename(path, aside);
  } catch {
    return;
  }
  const moved = await readFile(aside, 'utf8').catch(() => before);
  if (moved !== before) await create(path, moved);
  await rm(aside, { force: true });
}

/** A lock's holder, and for how long it has not touched it; undefined where there is none. */
async function lookAt(path: string): Promise<{ readonly token: string; readonly idleMs: number } | undefined> {
  try {
    const token = await readFile(path, 'utf8');
    return { token, idleMs: Date.now() - (await stat(path)).mtimeMs };
  } catch {
    return undefined;
  }
}

/** Whether the holder ran on this host and is there no more. */
function holderEnded(token: string): boolean {
  let holder: unknown;
  try {
    holder = JSON.parse(token);
  } catch {
    return false; // Created, not yet written.
  }
  if (typeof holder !== 'object' || holder === null || !('host' in holder) || !('pid' in holder)) return false;
  if (holder.host !== hostname() || typeof holder.pid !== 'number') return false;
  try {
    process.kill(holder.pid, 0);
    return false;
  } catch (error) {
    return systemCode(error) === 'ESRCH';
  }
}
