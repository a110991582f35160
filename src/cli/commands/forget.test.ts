import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Workspace } from '../../../tests/support/cli/cli-workspace.ts';

let workspace: Workspace;
beforeAll(async () => {
  workspace = await Workspace.open();
});
afterAll(() => workspace[Symbol.dispose]());

const run = (command: string, ...more: string[]) =>
  workspace.run([
    command,
    '--model',
    workspace.model,
    '--passages',
    workspace.passages,
    '--store',
    workspace.store,
    '--json',
    ...more,
  ]);

describe('forget', () => {
  it('removes what encode made of the same passages, and the instruction stays', async () => {
    const encoded = (await run('encode')).json();
    expect(encoded).toMatchObject({ blocks: 4, encoded: 4 });
    expect((await run('forget')).json()).toEqual({ passages: 3, removed: 3 });
    expect((await run('forget')).json()).toEqual({ passages: 3, removed: 0 });
    expect((await run('encode')).json()).toMatchObject({ encoded: 3, present: 1 });
  });

  it('refuses to forget without a store', async () => {
    expect((await run('forget', '--no-store')).code).toBe(2);
  });
});
