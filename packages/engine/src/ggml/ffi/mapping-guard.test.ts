import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { loadNativeKernel } from '../native/native-kernel.ts';
import { loadLibrary } from './library.ts';
import { mapFile, tailOf } from './memory.ts';

const folder = mkdtempSync(join(tmpdir(), 'block-attention-'));
const page = 65_536; // of any system, or a multiple of it
beforeAll(async () => void (await loadLibrary()));
afterAll(() => rmSync(folder, { recursive: true }));

function file(name: string): string {
  const path = join(folder, name);
  writeFileSync(path, Buffer.alloc(4 * page, 7));
  return path;
}

describe.skipIf(loadNativeKernel() === undefined)('a guarded file that is truncated in place', () => {
  test('reads as zeros where it ends now, and says so', () => {
    const path = file('read');
    const memory = mapFile(path, { guarded: true });
    const tail = tailOf(mapFile(path, { guarded: true }), page);
    expect(memory.bytes[3 * page]).toBe(7);
    truncateSync(path, page);
    // Not read yet.
    expect(memory.damaged).toBe(false);
    expect(memory.bytes[page - 1]).toBe(7);
    expect([...memory.bytes.subarray(page, 3 * page)].every((byte) => byte === 0)).toBe(true);
    expect(memory.damaged).toBe(true);
    // Each mapping for itself.
    expect(tail.damaged).toBe(false);
    expect(tail.bytes[0]).toBe(0);
    expect(tail.damaged).toBe(true);
    memory.free();
    tail.free();
    expect(memory.damaged).toBe(true);
    // The place that it had is another's, who knows nothing of it.
    const other = mapFile(file('other'), { guarded: true });
    expect(other.bytes[0]).toBe(7);
    expect(other.damaged).toBe(false);
    other.free();
  });

  test('also where native code reads it, on another thread', async () => {
    const path = file('thread');
    const memory = mapFile(path, { guarded: true });
    truncateSync(path, 0);
    await loadNativeKernel()?.checksum([memory]);
    expect(memory.damaged).toBe(true);
    memory.free();
  });
});

test.skipIf(process.platform === 'win32' || loadNativeKernel() === undefined)(
  'a file that nobody guards ends the process as before, by its signal',
  () => {
    const script = `
      import { truncateSync } from 'node:fs';
      import { loadLibrary } from ${JSON.stringify(fileURLToPath(new URL('./library.ts', import.meta.url)))};
      import { mapFile } from ${JSON.stringify(fileURLToPath(new URL('./memory.ts', import.meta.url)))};
      await loadLibrary();
      const [guarded, plain] = process.argv.slice(-2);
      const first = mapFile(guarded, { guarded: true });
      const second = mapFile(plain);
      truncateSync(guarded, 0);
      if (first.bytes[0] !== 0 || !first.damaged) process.exit(3);
      truncateSync(plain, 0);
      process.exit(second.bytes[0] === 0 ? 4 : 5);
    `;
    const path = join(folder, 'script.mts');
    writeFileSync(path, script);
    const { signal, status } = spawnSync(process.execPath, ['--import', 'tsx', path, file('guarded'), file('plain')], {
      cwd: fileURLToPath(new URL('../../../../..', import.meta.url)),
      encoding: 'utf8',
    });
    expect({ signal, status }).toEqual({ signal: 'SIGBUS', status: null });
  },
);
