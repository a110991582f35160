import { spawnSync } from 'node:child_process';
import { mkdir, mkdtemp, readdir, rm, utimes, writeFile } from 'node:fs/promises';
import { hostname, tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { withFolderLock } from './folder-lock.ts';

const timings = { heartbeatMs: 20, deadAfterMs: 100, staleAfterMs: 400, pollMs: 5 };
let root: string;
let folder: string;
beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'lock-'));
  folder = join(root, 'entry');
});
afterEach(() => rm(root, { recursive: true }));

/** A lock somebody else left, untouched for `ageMs`. */
async function leaveLock(pid: number, ageMs: number, host = hostname()): Promise<void> {
  await mkdir(folder, { recursive: true });
  await writeFile(join(folder, 'lock'), JSON.stringify({ host, pid, id: 'other' }));
  const then = new Date(Date.now() - ageMs);
  await utimes(join(folder, 'lock'), then, then);
}
const endedPid = (): number => spawnSync(process.execPath, ['-e', '']).pid;

describe('withFolderLock', () => {
  it('runs one body at a time, longer than a lock may go untouched', async () => {
    let inside = 0;
    const body = async (): Promise<void> => {
      expect(++inside).toBe(1);
      await sleep(150);
      inside--;
    };
    await Promise.all(Array.from({ length: 5 }, () => withFolderLock(folder, body, { timings })));
    expect(inside).toBe(0);
  });

  it('removes the lock, and a folder in which nothing came about, also after an error', async () => {
    const failing = withFolderLock(folder, () => Promise.reject(new Error('no')), { timings });
    await expect(failing).rejects.toThrow('no');
    expect(await readdir(root)).toEqual([]);
    await withFolderLock(folder, () => writeFile(join(folder, 'kept'), ''), { timings });
    expect(await readdir(folder)).toEqual(['kept']);
  });

  it('takes over the lock of a process that has ended, after a short while', async () => {
    await leaveLock(endedPid(), 0);
    const start = performance.now();
    let waits = 0;
    await withFolderLock(folder, async () => undefined, { timings, onWait: () => void waits++ });
    expect(performance.now() - start).toBeGreaterThan(60);
    expect(performance.now() - start).toBeLessThan(380);
    expect(waits).toBeGreaterThan(0);
  });

  it('takes over a lock of another machine only when it has long not been touched', async () => {
    await leaveLock(endedPid(), 0, 'another-host');
    const start = performance.now();
    await withFolderLock(folder, async () => undefined, { timings });
    expect(performance.now() - start).toBeGreaterThan(350);
  });

  it('lets one of several waiters take over at a time', async () => {
    await leaveLock(endedPid(), 10_000);
    let inside = 0;
    const body = async (): Promise<void> => {
      expect(++inside).toBe(1);
      await sleep(10);
      inside--;
    };
    await Promise.all(Array.from({ length: 8 }, () => withFolderLock(folder, body, { timings })));
  });

  it('stops waiting when cancelled', async () => {
    await leaveLock(process.pid, 0);
    const signal = AbortSignal.timeout(50);
    const waiting = withFolderLock(folder, async () => undefined, { timings, signal });
    await expect(waiting).rejects.toMatchObject({ code: 'ABORTED' });
  });

  it('reports a folder that cannot be made', async () => {
    await writeFile(folder, '');
    const locking = withFolderLock(join(folder, 'below'), async () => undefined, { timings });
    await expect(locking).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' });
  });
});
