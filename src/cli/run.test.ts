import { describe, expect, it } from 'vitest';
import { capture } from '../../tests/support/cli/cli-capture.ts';

const commands = ['pull', 'models', 'ask', 'encode', 'store', 'bench', 'demo'];
const leaves = [
  ...['pull', 'models', 'ask', 'encode', 'demo'].map((name) => [name]),
  ['bench', 'ttft'],
  ...['ls', 'stats', 'verify', 'gc', 'forget', 'pin', 'export', 'import'].map((name) => ['store', name]),
];

describe('runCli', () => {
  it('explains itself', async () => {
    const { code, stdout, stderr } = await capture(['--help']);
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    for (const command of commands) expect(stdout).toMatch(new RegExp(`^ {2}${command}\\b`, 'm'));
  });

  it.each(leaves)('offers --json with %s %s', async (...path) => {
    const { code, stdout } = await capture([...path, '--help']);
    expect(code).toBe(0);
    expect(stdout).toContain('--json');
    for (const line of stdout.split('\n')) expect(line.length).toBeLessThanOrEqual(80);
  });

  it('tells its version', async () => {
    expect((await capture(['--version'])).stdout).toMatch(/^\d+\.\d+\.\d+\n$/);
  });

  it.each([
    [['nonsense'], "unknown command 'nonsense'"],
    [['store', 'nonsense'], "unknown command 'nonsense'"],
    [['models', '--nonsense'], "unknown option '--nonsense'"],
    [['models', 'nonsense'], 'too many arguments'],
    [['pull'], "missing required argument 'ref'"],
    [['encode', '--model', 'm'], "required option '--passages <source>'"],
    [['ask', '--model', 'm', '--passages', 'p', '--mode', 'fast', 'question'], 'Allowed choices are auto, block, full'],
  ])('refuses %j', async (argv, message) => {
    const { code, stdout, stderr } = await capture(argv);
    expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
    expect(stderr).toMatch(/^error \[INVALID_ARGUMENT\] [^\n]+\n$/);
    expect(stderr).toContain(message);
    const coded = await capture([...argv, '--json']);
    expect(coded.json()).toMatchObject({ error: { code: 'INVALID_ARGUMENT' } });
  });

  it('prints help instead of a missing command', async () => {
    for (const argv of [[], ['bench'], ['store']]) {
      const { code, stdout, stderr } = await capture(argv);
      expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
      expect(stderr).toContain('Usage: block-attention');
    }
    expect((await capture(['bench', '--json'])).json()).toHaveProperty('error.code', 'INVALID_ARGUMENT');
  });
});
