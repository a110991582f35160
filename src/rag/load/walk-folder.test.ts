import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, realpathSync, rmSync, symlinkSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, onTestFinished } from 'vitest';
import { walkFolder } from './walk-folder.ts';

let root: string;
beforeEach(() => {
  root = realpathSync(mkdtempSync(join(tmpdir(), 'block-attention-walk-')));
});
afterEach(() => rmSync(root, { recursive: true, force: true }));

function put(...names: string[]): void {
  for (const name of names) {
    const path = join(root, name);
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, 'x');
  }
}

async function walk(options: Parameters<typeof walkFolder>[1] = {}) {
  const skipped: string[] = [];
  const onSkip = (path: string, reason: string) => skipped.push(`${path}: ${reason}`);
  const files = await walkFolder(root, { ...options, onSkip });
  return { paths: files.map(({ path }) => path), skipped: skipped.sort(), files };
}

describe('walking a folder', () => {
  it('finds documents by name, sorted, and passes over what is hidden or made by machines', async () => {
    put('b.md', 'a/x.PDF', 'a/y.ts', 'README', 'Makefile', 'image.png', '.env.md', '.git/a.md', 'node_modules/p/a.md');
    put('package-lock.json', 'a/app.min.js', 'noextension', 'ü/ö.txt', 'a b.md');
    const found = ['Makefile', 'README', 'a b.md', 'a/x.PDF', 'a/y.ts', 'b.md', 'ü/ö.txt'];
    expect(await walk()).toMatchObject({ paths: found, skipped: [] });
  });

  it('obeys ignore files as git does, unless told not to', async () => {
    put('keep.md', 'drop.md', 'out/a.md', 'sub/drop.md', 'sub/keep.md', 'sub/deep/x.log', 'sub/deep/only.log');
    writeFileSync(join(root, '.gitignore'), 'drop.md\nout/\n*.log\n');
    writeFileSync(join(root, 'sub', '.blockignore'), '!drop.md\nkeep.md\n');
    expect((await walk()).paths).toEqual(['keep.md', 'sub/drop.md']);
    expect((await walk({ ignoreFiles: false })).paths).toHaveLength(7);
  });

  it('never leaves the folder, and ends in circles of links', async () => {
    const outside = mkdtempSync(join(tmpdir(), 'block-attention-outside-'));
    onTestFinished(() => rmSync(outside, { recursive: true, force: true }));
    writeFileSync(join(outside, 'secret.md'), 'secret');
    put('in/a.md', '..b.md');
    symlinkSync(join(root, 'in'), join(root, 'in', 'loop'));
    symlinkSync('..', join(root, 'in', 'up'));
    symlinkSync(join(root, 'in', 'a.md'), join(root, 'same.md'));
    symlinkSync(outside, join(root, 'away'));
    symlinkSync(join(outside, 'secret.md'), join(root, 'away.md'));
    symlinkSync('../../../../../../etc/hostname', join(root, 'etc.txt'));
    symlinkSync('nowhere', join(root, 'broken.md'));
    symlinkSync('round.md', join(root, 'round.md'));
    const { paths, skipped } = await walk();
    expect(paths).toEqual(['in/a.md', 'same.md']);
    expect(skipped).toEqual([
      'away.md: it is a link to outside the folder',
      'broken.md: it is a link to nowhere',
      expect.stringMatching(/^etc\.txt: it is a link to (outside the folder|nowhere)$/),
      'round.md: it is a link in a circle',
    ]);
  });

  it.skipIf(process.platform === 'win32')('opens no pipe, and reads no more of a huge file than its size', async () => {
    spawnSync('mkfifo', [join(root, 'pipe.md')]);
    put('huge.md');
    truncateSync(join(root, 'huge.md'), 100 * 2 ** 20);
    const { files, skipped } = await walk();
    expect(files).toMatchObject([{ path: 'huge.md', bytes: 100 * 2 ** 20 }]);
    expect(skipped).toEqual(['pipe.md: it is not an ordinary file']);
  });

  it('ends in folders without end', async () => {
    put(`${'d/'.repeat(70)}a.md`, 'b.md');
    const { paths, skipped } = await walk();
    expect(paths).toEqual(['b.md']);
    expect(skipped).toHaveLength(1);
  });
});
