import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Workspace } from '../../../tests/support/cli/cli-workspace.ts';

let workspace: Workspace;
beforeAll(async () => {
  workspace = await Workspace.open();
});
afterAll(() => workspace[Symbol.dispose]());

const encode = (...more: string[]) =>
  workspace.run([
    'encode',
    '--model',
    workspace.model,
    '--passages',
    workspace.passages,
    '--store',
    workspace.store,
    ...more,
  ]);

describe('encode', () => {
  it('fills the store once, and questions find it full', async () => {
    const first = (await encode('--json')).json();
    expect(first).toMatchObject({ blocks: 4, encoded: 4, present: 0, failedWrites: 0, store: workspace.store });
    expect(first.tokensPerSecond).toBeGreaterThan(0);
    const again = (await encode('--json')).json();
    expect(again).toMatchObject({ blocks: 4, encoded: 0, present: 4, tokens: first.tokens, bytes: first.bytes });
    expect((await workspace.ask('--json')).json().blocks).toMatchObject(
      Array.from({ length: 4 }, () => ({ status: 'hit', tier: 'disk' })),
    );
  });

  it('encodes under the policy that questions will ask for', async () => {
    // The instruction's block stands behind nothing, whatever the policy.
    expect((await encode('--json', '--policy', 'anchor:7')).json().encoded).toBeGreaterThanOrEqual(3);
    const statuses = async (policy: string) => {
      const { stdout } = await workspace.ask('--json', '--mode', 'block', '--policy', policy);
      return [...stdout.matchAll(/"status":"(\w+)"/g)].map(([, status]) => status).join(' ');
    };
    expect(await statuses('anchor:7+hide:2')).toBe('hit hit hit hit');
    expect(await statuses('anchor:8')).toBe('hit miss miss miss');
    expect((await encode('--policy', 'tail:3')).code).toBe(2);
  });

  it('tells people how much and where', async () => {
    const { code, stdout } = await encode();
    expect(code).toBe(0);
    expect(stdout).toMatch(/^\d+ blocks encoded, \d+ were there already, in /);
    expect(stdout).toContain(workspace.store);
  });

  it('goes to the cache folder unless told otherwise', async () => {
    const argv = ['encode', '--model', workspace.model, '--passages', workspace.passages, '--json'];
    expect((await workspace.run(argv)).json().store).toBe(`${workspace.env.BLOCK_ATTENTION_CACHE}/blocks`);
  });

  it('refuses to encode for nothing', async () => {
    const { code, stderr } = await encode('--no-store');
    expect(code).toBe(2);
    expect(stderr).toContain('--no-store');
  });

  it('can be cancelled', async () => {
    const argv = ['encode', '--model', workspace.model, '--passages', workspace.passages, '--json'];
    const run = await workspace.run(argv, { signal: AbortSignal.abort() });
    expect(run.code).toBe(130);
    expect(run.json()).toHaveProperty('error.code', 'ABORTED');
  });
});
