import { readdirSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { Workspace } from '../../../tests/support/cli/cli-workspace.ts';

let workspace: Workspace;
beforeEach(async () => {
  workspace = await Workspace.open();
  const argv = ['encode', '--model', workspace.model, '--passages', workspace.passages, '--store', workspace.store];
  expect((await workspace.run(argv)).code).toBe(0);
});
afterEach(() => workspace[Symbol.dispose]());

const store = (...more: string[]) => workspace.run(['store', ...more, '--store', workspace.store]);

/** The largest file: a block. */
function someBlock(): string {
  const files = readdirSync(workspace.store, { recursive: true, encoding: 'utf8' }).map((name) =>
    join(workspace.store, name),
  );
  const [largest] = files.filter((file) => file.endsWith('.kv')).sort((a, b) => statSync(b).size - statSync(a).size);
  if (largest === undefined) throw new Error('the store has no block');
  return largest;
}

async function keys(): Promise<string[]> {
  const { blocks } = (await store('ls', '--json')).json();
  return (blocks as { key: string }[]).map(({ key }) => key);
}

describe('store', () => {
  it('lists and counts', async () => {
    const { stdout } = await store('ls');
    expect(stdout.trimEnd().split('\n')).toHaveLength(4);
    expect(stdout).toMatch(/^[0-9a-f]{16} +\d+ tokens +anchor:200 +[\d.]+ KiB +used \d+ s ago$/m);
    // Not twice: a program gets the list as JSON.
    expect((await store('ls', '--json')).stderr).toBe('');
    expect((await store('stats', '--json')).json()).toMatchObject({
      blocks: 4,
      unreadable: 0,
      folder: workspace.store,
    });
    expect((await store('stats')).stdout).toContain('4 blocks');
  });

  it('finds a corrupt block, says so by the exit code, and removes it on request', async () => {
    expect((await store('verify', '--json')).json()).toMatchObject({ blocks: 4, corrupt: 0 });
    writeFileSync(someBlock(), 'no block');
    const found = await store('verify', '--json');
    expect(found.json()).toMatchObject({ blocks: 4, corrupt: 1 });
    expect(found.code).toBe(1);
    expect((await store('verify', '--remove')).stdout).toContain('4 blocks, 1 corrupt and removed');
    expect((await store('verify', '--json')).json()).toMatchObject({ blocks: 3, corrupt: 0 });
  });

  it('forgets by the digits it lists', async () => {
    const [first = '', second = ''] = await keys();
    expect((await store('forget', first.slice(0, 16), second, '--json')).json()).toEqual({ removed: 2 });
    expect(await keys()).toHaveLength(2);
    expect((await store('forget', second.slice(0, 16))).code).toBe(2);
    expect((await store('forget', 'zzzz')).stderr).toContain('is not a key of a stored block');
    expect((await store('forget')).stderr).toContain('nothing is named');
  });

  it('forgets a tenant alone', async () => {
    const argv = ['encode', '--model', workspace.model, '--passages', workspace.passages, '--store', workspace.store];
    await workspace.run([...argv, '--tenant', 'salt']);
    expect(await keys()).toHaveLength(8);
    expect((await store('forget', '--tenant', 'salt', '--json')).json()).toEqual({ removed: 4 });
    expect((await workspace.ask('--json')).json().blocks).toMatchObject([{ status: 'hit' }, {}, {}, {}]);
  });

  it('keeps pinned blocks when it cleans up', async () => {
    const [first = ''] = await keys();
    expect((await store('pin', first.slice(0, 12), '--json')).json()).toEqual({ blocks: 1, pinned: true });
    expect((await store('gc', '--disk', '0', '--json')).json()).toMatchObject({ removed: 3, blocks: 1 });
    expect(await keys()).toEqual([first]);
    await store('pin', first, '--off');
    expect((await store('gc', '--disk', '0', '--json')).json()).toMatchObject({ removed: 1, blocks: 0 });
    expect((await store('ls')).stdout).toBe('no blocks\n');
  });

  it('moves blocks through an archive', async () => {
    const archive = workspace.path('blocks.tar');
    expect((await store('export', archive, '--json')).json()).toMatchObject({ file: archive, blocks: 4 });
    const other = workspace.path('other');
    const imported = await workspace.run(['store', 'import', archive, '--store', other, '--json']);
    expect(imported.json()).toEqual({ imported: 4, present: 0, refused: 0 });
    expect((await workspace.ask('--store', other, '--json')).json().blocks).toMatchObject([
      { tier: 'disk' },
      {},
      {},
      {},
    ]);
    expect((await store('import', workspace.path('none.tar'))).code).toBe(2);
    expect((await store('export', workspace.path('no/such/folder.tar'))).code).toBe(2);
  });

  it('reads encrypted blocks with their key only', async () => {
    const key = workspace.path('key');
    writeFileSync(key, '5'.repeat(64));
    const sealed = ['--store', workspace.path('sealed')];
    await workspace.ask(...sealed, '--store-key', key);
    expect((await workspace.run(['store', 'verify', ...sealed, '--json'])).json()).toMatchObject({
      corrupt: 0,
      unchecked: 4,
    });
    const checked = await workspace.run(['store', 'verify', ...sealed, '--store-key', key, '--json']);
    expect(checked.json()).toMatchObject({ corrupt: 0, unchecked: 0, blocks: 4 });
  });

  it('calls a folder that was named and is missing an error, the default one empty', async () => {
    const missing = await workspace.run(['store', 'ls', '--store', workspace.path('missing')]);
    expect(missing).toMatchObject({ code: 1, stderr: expect.stringContaining('[STORE_INVALID]') });
    expect((await workspace.run(['store', 'stats', '--json'])).json()).toMatchObject({ blocks: 0 });
  });
});
