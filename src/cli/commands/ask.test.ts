import { writeFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Workspace } from '../../../tests/support/cli/cli-workspace.ts';

let workspace: Workspace;
beforeAll(async () => {
  workspace = await Workspace.open();
});
afterAll(() => workspace[Symbol.dispose]());

describe('ask', () => {
  it('answers on stdout and accounts on stderr', async () => {
    const { code, stdout, stderr } = await workspace.ask();
    expect(code).toBe(0);
    expect(stdout.length).toBeGreaterThan(0);
    expect(stderr).toMatch(/^block: first token after .* written/m);
    expect(stderr).toMatch(/blocks: \d+ hit, \d+ missed/);
  });

  it('finds the blocks of an earlier process in the store, and says so as JSON', async () => {
    await workspace.ask();
    const { code, stdout, json } = await workspace.ask('--json');
    expect(code).toBe(0);
    expect(stdout.split('\n')).toHaveLength(2);
    const result = json();
    expect(result).toMatchObject({
      mode: 'block',
      answer: expect.any(String),
      ttftMs: expect.any(Number),
      tokens: { context: expect.any(Number), question: expect.any(Number), answer: expect.any(Number) },
      model: { name: 'model', architecture: 'llama' },
      kvType: 'f16',
      threads: 1,
    });
    const names = ['system', 'bridge', 'answer', '2'];
    const found = { status: 'hit', tier: 'disk', bytes: expect.any(Number), ms: expect.any(Number) };
    expect(result.blocks).toMatchObject(names.map((id) => ({ id, ...found })));
  });

  it('gives the same answer with and without stored blocks, and from standard input', async () => {
    const stored = (await workspace.ask('--json')).json();
    const fresh = (await workspace.ask('--json', '--no-store')).json();
    expect(fresh.answer).toBe(stored.answer);
    expect(fresh.blocks).toMatchObject([{ status: 'miss', tier: 'none' }, {}, {}, {}]);
    const argv = [
      'ask',
      '--model',
      workspace.model,
      '--passages',
      '-',
      '--no-store',
      '--mode',
      'block',
      '--max-tokens',
      '4',
      '--json',
    ];
    const piped = await workspace.run([...argv, 'when was the bridge opened?'], { stdin: workspace.passagesText });
    expect(piped.json().answer).toBe(stored.answer);
  });

  it('answers by full attention without touching the store', async () => {
    const result = (await workspace.ask('--mode', 'full', '--json', '--store', workspace.path('untouched'))).json();
    expect(result).toMatchObject({ mode: 'full', blocks: [] });
    const { code } = await workspace.run(['store', 'ls', '--store', workspace.path('untouched')]);
    expect(code).toBe(1);
  });

  it('uses full attention as long as nothing is known about the model, and says how to find out', async () => {
    const { stderr } = await workspace.ask('--mode', 'auto');
    expect(stderr).toMatch(/^full, since no verdict on this model: .*block-attention verify --model/m);
    const result = (await workspace.ask('--mode', 'auto', '--json')).json();
    expect(result).toMatchObject({ mode: 'full', requested: 'auto', blocks: [], policy: null });
    for (const flag of ['--policy', '--repair']) {
      const bad = await workspace.ask(flag, 'tail:3');
      expect(bad.stderr).toContain('policy is "tail:3": give plain, or parts');
    }
  });

  it('follows a grammar and stops at a text', async () => {
    const grammar = workspace.path('digits.gbnf');
    writeFileSync(grammar, 'root ::= "ab" [0-9]+');
    expect((await workspace.ask('--grammar', grammar, '--json')).json().answer).toMatch(/^ab[0-9]*$/);
    const stopped = (await workspace.ask('--grammar', grammar, '--stop', 'zz', '--stop', 'b', '--json')).json();
    expect(stopped).toMatchObject({ answer: 'a', stopReason: 'stop' });
  });

  it('samples the same with the same seed', async () => {
    const sampled = ['--temperature', '2', '--seed', '7', '--json'];
    const [first, second] = [await workspace.ask(...sampled), await workspace.ask(...sampled)];
    expect(second.json().answer).toBe(first.json().answer);
  });

  it.each([
    ['--max-tokens', '0'],
    ['--max-tokens', '5x'],
    ['--max-tokens', '-1'],
    ['--temperature', 'NaN'],
    ['--temperature', '-0.5'],
    ['--top-k', '1.5'],
    ['--top-p', '1.1'],
    ['--min-p', '-1'],
    ['--seed', '-1'],
    ['--seed', '1e30'],
    ['--threads', '0'],
    ['--context', 'Infinity'],
    ['--memory', '-5'],
    ['--disk', '5 apples'],
  ])('refuses %s %s by name and value', async (option, value) => {
    const { code, stderr } = await workspace.ask(option, value);
    expect(code).toBe(2);
    expect(stderr).toContain(`error [INVALID_ARGUMENT] ${option} is ${JSON.stringify(value)}: give`);
  });

  it.each([
    [['--passages', 'no-such-file'], 'INVALID_PASSAGES', 2],
    [['--grammar', 'no-such-file'], 'INVALID_ARGUMENT', 2],
    [['--store-key', 'no-such-file'], 'INVALID_ARGUMENT', 2],
    [['--model', 'no-such-model'], 'MODEL_NOT_FOUND', 1],
    [['--context', '20'], 'CONTEXT_OVERFLOW', 2],
    [['--shared', 'ftp://host'], 'INVALID_ARGUMENT', 2],
  ] as const)('codes %j as %s', async (more, code, exitCode) => {
    const run = await workspace.ask(...more, '--json');
    expect(run.json()).toEqual({ error: { code, message: expect.any(String) } });
    expect(run.code).toBe(exitCode);
    expect(run.stderr).toContain(`error [${code}]`);
  });

  it('sees an empty question before it looks for the model', async () => {
    const run = await workspace.run(['ask', '--model', 'none', '--passages', 'none', '  ']);
    expect(run).toMatchObject({ code: 2, stderr: expect.stringContaining('[EMPTY_QUESTION]') });
  });

  it('stops where the user interrupts, with what was written so far', async () => {
    const controller = new AbortController();
    const argv = ['ask', '--model', workspace.model, '--passages', workspace.passages, '--no-store'];
    const run = await workspace.run([...argv, '--max-tokens', '300', 'when?'], {
      signal: controller.signal,
      onStdout: () => controller.abort(),
    });
    expect(run.code).toBe(130);
    expect(run.stderr).toMatch(/cancelled|ABORTED/);
  });
});
