import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { beforeAll, expect, test } from 'vitest';
import { loadLibrary } from '../ggml/ffi/library.ts';
import { createBlockStore } from './create-store.ts';
import { cleanFolder, listStore, verifyFolder } from './disk/lifecycle.ts';
import { block, collector, never, use } from './testing/blocks.ts';
import { crashBlockBytes } from './testing/crash-writer.ts';

const writer = fileURLToPath(new URL('./testing/crash-writer.ts', import.meta.url));

beforeAll(async () => {
  await loadLibrary();
});

interface Writer {
  readonly process: ChildProcess;
  readonly written: Set<number>;
  readonly started: Promise<void>;
  readonly ended: Promise<NodeJS.Signals | null>;
}

function startWriter(directory: string, from: number): Writer {
  const child = spawn(process.execPath, ['--import', 'tsx', writer, directory, `${from}`], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const written = new Set<number>();
  let rest = '';
  const started = new Promise<void>((resolve) => {
    child.stdout?.on('data', (text: Buffer) => {
      const lines = (rest + text.toString()).split('\n');
      rest = lines.pop() ?? '';
      for (const line of lines) written.add(Number(line));
      resolve();
    });
  });
  const ended = new Promise<NodeJS.Signals | null>((resolve) => child.on('close', (_, signal) => resolve(signal)));
  return { process: child, written, started, ended };
}

test('kill -9 at random moments of two writers: every block is whole or absent, and none that was done is lost', async () => {
  const directory = await mkdtemp(join(tmpdir(), 'block-attention-crash-'));
  const confirmed = new Set<number>();
  let interrupted = 0;
  try {
    // Until some writes were caught half done.
    for (let round = 0; confirmed.size < 200 || interrupted === 0; round += 1) {
      expect(round).toBeLessThan(30);
      // The second writer begins among the first one's blocks: both write the same files at the same time.
      const first = round * 1000;
      const writers = [startWriter(directory, first), startWriter(directory, first + (round % 2) * 6)];
      await Promise.all(writers.map(({ started }) => started));
      await new Promise((resolve) => setTimeout(resolve, 50 + Math.random() * 400));
      for (const { process: child } of writers) child.kill('SIGKILL');
      const signals = await Promise.all(writers.map(({ ended }) => ended));
      expect(signals).toEqual(['SIGKILL', 'SIGKILL']);
      for (const { written } of writers) for (const id of written) confirmed.add(id);
      interrupted = (await readdir(join(directory, 'tmp'))).length;
      expect(await verifyFolder(directory)).toMatchObject({ corrupt: 0, unchecked: 0 });
    }
    const keys = new Set<string>();
    for await (const { key } of listStore(directory)) keys.add(key);
    const { warnings, onWarning } = collector();
    const store = await createBlockStore({ memoryBytes: 64 << 20, directory, onWarning });
    for (const id of confirmed) {
      const request = block(id, crashBlockBytes);
      expect(keys.has(request.key)).toBe(true);
      expect(await use(store, [request], never)).toEqual(['disk']);
    }
    await store.close();
    expect(warnings).toEqual([]);
    console.log(`${confirmed.size} writes confirmed, ${keys.size} found, ${interrupted} interrupted`);
    expect((await cleanFolder(directory, { ttlMs: 1 })).blocks).toBe(0);
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
});
