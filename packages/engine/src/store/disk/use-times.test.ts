import { stat, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { block, withFolder } from '../testing/blocks.ts';
import { UseTimes } from './use-times.ts';

test('a use is the file’s time once it is flushed, and is not recorded again soon', () =>
  withFolder(async (directory) => {
    const { key } = block(1);
    const path = join(directory, 'a.kv');
    await writeFile(path, 'x');
    const age = async () => Date.now() - (await stat(path)).mtimeMs;
    const long = Date.now() / 1000 - 86_400;
    await utimes(path, long, long);
    const times = new UseTimes();
    times.used(key, path);
    expect(await age()).toBeGreaterThan(80_000_000);
    await times.flush();
    expect(await age()).toBeLessThan(60_000);
    await utimes(path, long, long);
    times.used(key, path);
    await times.flush();
    expect(await age()).toBeGreaterThan(80_000_000);
    // Another process evicted it.
    times.used(block(2).key, join(directory, 'gone.kv'));
    await times.flush();
  }));
