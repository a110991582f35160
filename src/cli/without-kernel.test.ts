/** Commands on a machine without the native library: each says so in one line, and what to do. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import { nativeVariable } from '../../packages/engine/src/ggml/native/native-file.ts';
import type { Captured } from '../../tests/support/cli/cli-capture.ts';
import { Workspace } from '../../tests/support/cli/cli-workspace.ts';

let workspace: Workspace;
beforeAll(async () => {
  workspace = await Workspace.open(2048);
  mkdirSync(workspace.path('docs'));
  writeFileSync(workspace.path('docs/bridge.md'), 'The bridge was opened in 1911.');
});
afterAll(() => workspace[Symbol.dispose]());
// Before the process has looked for the library: it does once.
beforeEach(() => vi.stubEnv(nativeVariable, workspace.path('nowhere')));
afterEach(() => vi.unstubAllEnvs());

const common = () => ['--model', workspace.model, '--store', workspace.store, '--threads', '1', '--device', 'cpu'];

/** Runs a command that serves until it has said where. */
async function untilServing(argv: readonly string[]): Promise<Captured> {
  const stop = new AbortController();
  const onStdout = () => stop.abort();
  return workspace.run([...argv, ...common(), '--port', '0', '--json'], { signal: stop.signal, onStdout });
}

const runs: Record<string, () => Promise<Captured>> = {
  ask: () => workspace.ask(),
  index: () => workspace.run(['index', workspace.path('docs'), '--index', workspace.path('index'), ...common()]),
  serve: () => untilServing(['serve']),
  up: () => untilServing(['up', workspace.path('docs'), '--index', workspace.path('up')]),
};

describe('without the native library', () => {
  it.each(Object.keys(runs))('%s says why, what to do, and goes on', async (name) => {
    const { code, stderr } = (await runs[name]?.()) ?? expect.unreachable();
    const lines = stderr.split('\n').filter((line) => line.startsWith('portable attention, several times slower: '));
    expect(lines).toHaveLength(1);
    expect(lines[0]).toContain(`${nativeVariable} is ${workspace.path('nowhere')}, and there is no such file`);
    expect(lines[0]).toContain(`correct or unset ${nativeVariable}`);
    expect(code).toBe(0);
  });

  it('an answer says which attention it is by', async () => {
    expect((await workspace.ask('--json')).json()).toMatchObject({ attention: 'portable' });
  });

  it('nobody is told who wants it so', async () => {
    expect((await workspace.ask('--attention', 'portable')).stderr).not.toContain('portable attention');
    vi.stubEnv(nativeVariable, '0');
    expect((await workspace.ask()).stderr).not.toContain('portable attention');
  });

  it('native attention cannot be had', async () => {
    const { code, stderr } = await workspace.ask('--attention', 'native');
    expect(code).toBe(1);
    expect(stderr).toMatch(/^error \[BACKEND_UNAVAILABLE\] attention "native": .*no such file/m);
  });
});
