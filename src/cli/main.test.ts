import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { BuiltCommand } from '../../tests/support/cli/built-command.ts';
import { Workspace } from '../../tests/support/cli/cli-workspace.ts';

let workspace: Workspace;
let command: BuiltCommand;
beforeAll(async () => {
  command = new BuiltCommand();
  workspace = await Workspace.open(8192);
});
afterAll(() => {
  command[Symbol.dispose]();
  workspace[Symbol.dispose]();
});

function start(argv: readonly string[]) {
  const child = spawn(process.execPath, [command.script, ...argv], {
    env: { ...process.env, ...workspace.env },
    stdio: ['pipe', 'pipe', 'pipe'],
  });
  const output = { stdout: '', stderr: '' };
  child.stdout.setEncoding('utf8').on('data', (text: string) => (output.stdout += text));
  child.stderr.setEncoding('utf8').on('data', (text: string) => (output.stderr += text));
  return { child, output, ended: ending(child) };
}

async function ending(child: ChildProcess): Promise<unknown> {
  const [code] = await once(child, 'close');
  return code;
}

/** Long enough to be interrupted. */
const longAnswer = () => [
  'ask',
  '--model',
  workspace.model,
  '--passages',
  workspace.passages,
  '--max-tokens',
  '8000',
  'why?',
];

describe('the command', () => {
  it('ends although its standard input stays open, with JSON as the last line', async () => {
    const { output, ended } = start([
      'ask',
      '--model',
      workspace.model,
      '--passages',
      workspace.passages,
      '--mode',
      'block',
      '--max-tokens',
      '3',
      '--json',
      'when?',
    ]);
    expect(await ended).toBe(0);
    expect(JSON.parse(output.stdout.trimEnd().split('\n').at(-1) ?? '')).toMatchObject({
      mode: 'block',
      stopReason: 'length',
    });
  });

  it('reads passages from standard input', async () => {
    const { child, output, ended } = start([
      'ask',
      '--model',
      workspace.model,
      '--passages',
      '-',
      '--mode',
      'block',
      '--max-tokens',
      '3',
      '--json',
      'when?',
    ]);
    child.stdin.end(workspace.passagesText);
    expect(await ended).toBe(0);
    expect(JSON.parse(output.stdout).blocks).toHaveLength(4);
  });

  it('encodes, measures and looks after the store', async () => {
    const model = ['--model', workspace.model, '--threads', '1'];
    const store = ['--store', workspace.store, '--json'];
    const encode = start(['encode', ...model, '--passages', workspace.passages, ...store]);
    expect(await encode.ended).toBe(0);
    const verify = start(['store', 'verify', ...store]);
    expect(await verify.ended).toBe(0);
    expect(JSON.parse(verify.output.stdout)).toMatchObject({ blocks: 4, corrupt: 0 });
    const bench = start(['bench', 'ttft', ...model, '--lengths', '50', '--runs', '1', '--json']);
    expect(await bench.ended).toBe(0);
    expect(JSON.parse(bench.output.stdout)).toMatchObject({ rows: [{ tokens: 50 }] });
    const demo = start(['demo', ...model, '--json']);
    expect(await demo.ended).toBe(0);
    expect(JSON.parse(demo.output.stdout).questions).toHaveLength(3);
  });

  it('exits 2 for wrong usage and 1 for failures', async () => {
    expect(await start(['ask']).ended).toBe(2);
    expect(await start(['ask', '--model', '/none', '--passages', workspace.passages, 'when?']).ended).toBe(1);
  });

  it('is silent when its reader leaves', async () => {
    const { child, output, ended } = start(longAnswer());
    child.stdout.once('data', () => child.stdout.destroy());
    expect(await ended).toBe(0);
    expect(output.stderr).not.toMatch(/error|EPIPE/i);
  });

  it.skipIf(process.platform === 'win32')('stops at an interrupt with 130', async () => {
    const { child, output, ended } = start(longAnswer());
    child.stdout.once('data', () => child.kill('SIGINT'));
    expect(await ended).toBe(130);
    expect(output.stderr).toMatch(/cancelled/);
    expect(output.stdout.length).toBeGreaterThan(0);
  });
});
