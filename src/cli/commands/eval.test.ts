import { readFileSync, writeFileSync } from 'node:fs';
import { gzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Workspace } from '../../../tests/support/cli/cli-workspace.ts';

let workspace: Workspace;
let data: string;
beforeAll(async () => {
  workspace = await Workspace.open();
  data = workspace.path('questions.jsonl');
  const passages = [{ text: 'the bridge was opened in 1911.' }, { title: 'Answer', text: 'the answer is here.' }];
  const questions = ['when?', 'what is the answer?', 'where?'].map((question) => ({
    question,
    answers: ['1911'],
    passages,
  }));
  writeFileSync(data, questions.map((question) => JSON.stringify(question)).join('\n'));
});
afterAll(() => workspace[Symbol.dispose]());

const run = (command: string, ...more: string[]) =>
  workspace.run([
    command,
    '--model',
    workspace.model,
    '--device',
    'cpu',
    '--threads',
    '1',
    '--max-tokens',
    '4',
    '--data',
    data,
    ...more,
  ]);

describe('eval', () => {
  it('prints the table beside the paper, and rows as JSON', async () => {
    const { code, stdout, stderr, json } = await run('eval', '--json');
    expect(code).toBe(0);
    expect(stdout.split('\n')).toHaveLength(2);
    const row = {
      n: 3,
      accuracy: expect.any(Number),
      em: expect.any(Number),
      f1: expect.any(Number),
      nll: expect.any(Number),
      kl: expect.any(Number),
      abstained: expect.any(Number),
      interval: [expect.any(Number), expect.any(Number)],
    };
    expect(json()).toMatchObject({
      rows: [
        { mode: 'full', policy: null, ...row },
        { mode: 'block', policy: 'plain', ...row },
      ],
      difference: { value: expect.any(Number) },
      maxTokens: 4,
      kvType: 'f16',
      model: { name: 'model' },
    });
    expect(stderr).toMatch(/questions {2}accuracy {2}95 % interval/);
    expect(stderr).toMatch(/full attention +3 /);
    expect(stderr).toMatch(/block minus full: .* points/);
    expect(stderr).toMatch(/block, fine-tuned .*72\.2 .*70\.0/);
  });

  it('measures the modes and questions it is told, and goes on from a file', async () => {
    const file = workspace.path('answers.jsonl');
    const flags = ['--modes', 'block', '--limit', '2', '--passages-per-question', '1', '--json', '--resume', file];
    expect((await run('eval', ...flags)).json()).toMatchObject({
      rows: [{ mode: 'block', n: 2 }],
      reused: 0,
      difference: null,
    });
    const again = await run('eval', ...flags);
    expect(again.json()).toMatchObject({ rows: [{ mode: 'block', n: 2 }], reused: 2 });
    expect(again.stderr).toContain('2 answers came from');
    expect((await run('eval', ...flags.slice(0, -2), '--resume', data)).json()).toMatchObject({
      error: { code: 'INVALID_DATA' },
    });
  });

  it('measures policies on sets of single paragraphs, packed as they are', async () => {
    const set = workspace.path('set.jsonl.gz');
    const paragraphs = ['Ald', 'Bor', 'Cim'].map((name, i) => ({
      title: name,
      text: `The river ${name} is ${i + 1}0 km long.`,
      qas: [{ question: `How long is the ${name}?`, answers: [`${i + 1}0 km`] }],
    }));
    writeFileSync(set, gzipSync(paragraphs.map((row) => JSON.stringify(row)).join('\n')));
    const flags = ['--policy', 'plain,head:4', '--passages', '2', '--sample', '2', '--short', '--json'];
    const { json, stderr } = await run('eval', '--data', set, ...flags);
    expect(json()).toMatchObject({
      rows: [
        { policy: null, n: 2, margin: expect.any(Number) },
        { policy: 'plain', n: 2 },
        { policy: 'head:4', n: 2, klClosed: { value: expect.any(Number) } },
      ],
    });
    expect(stderr).toMatch(/NLL +KL +abstained +margin/);
  });

  it.each([
    [['--modes', 'blocks'], '--modes is "blocks"'],
    [['--limit', '0'], '--limit is "0"'],
    [['--data', 'no-such-file'], '[INVALID_DATA] questions cannot be read'],
  ])('refuses %j', async (more, message) => {
    const { code, stderr } = await run('eval', ...more);
    expect(code).toBe(2);
    expect(stderr).toContain(message);
  });
});

describe('verify', () => {
  it('compares the modes, and stores the verdict where it says', async () => {
    const { code, json, stderr } = await run('verify', '--json');
    expect(code).toBe(0);
    const report = json();
    expect(report).toMatchObject({
      verdict: 'full',
      tolerance: 0.02,
      n: 3,
      full: { accuracy: expect.any(Number) },
      block: { accuracy: expect.any(Number) },
      agreement: { exact: expect.any(Number), f1: expect.any(Number) },
      firstToken: { meanKl: expect.any(Number) },
      identity: { template: expect.any(String), kvType: 'f16' },
    });
    expect(stderr).toContain('warning: 3 questions cannot give the verdict "block"');
    expect(report.rows).toMatchObject([
      { policy: null, n: 3, kl: 0 },
      { policy: 'plain', n: 3, nll: expect.any(Number) },
    ]);
    expect(stderr).toMatch(/^Verdict {2}full/m);
    expect(String(report.storedAt)).toContain(workspace.env.BLOCK_ATTENTION_CACHE);
    expect(JSON.parse(readFileSync(String(report.storedAt), 'utf8'))).toMatchObject({ verdict: 'full', n: 3 });
  });

  it('refuses a tolerance that cannot be', async () => {
    expect((await run('verify', '--tolerance', '2')).stderr).toContain('--tolerance is "2"');
  });
});

describe('data', () => {
  it('writes tasks that eval reads', async () => {
    const out = workspace.path('tasks.jsonl');
    const options = ['--count', '3', '--seed', '4', '--split', 'test', '--passages', '2', '--hops', '2', '--out', out];
    const made = await workspace.run(['data', ...options, '--json']);
    expect(made.json()).toMatchObject({ tasks: 3, split: 'test', hops: 2, words: expect.any(Number) });
    const text = readFileSync(out, 'utf8');
    expect(text.trimEnd().split('\n')).toHaveLength(3);
    await workspace.run(['data', ...options]);
    expect(readFileSync(out, 'utf8')).toBe(text);
    expect((await run('eval', '--data', out, '--modes', 'block', '--json')).json()).toMatchObject({ rows: [{ n: 3 }] });
  });

  it('writes tasks on chunks of documents', async () => {
    const out = workspace.path('documents.jsonl');
    const made = await workspace.run([
      'data',
      '--count',
      '5',
      '--passages',
      '4',
      '--documents',
      '--out',
      out,
      '--json',
    ]);
    expect(made.json()).toMatchObject({ tasks: 5, documents: true });
    const kinds = readFileSync(out, 'utf8')
      .trimEnd()
      .split('\n')
      .map((line) => (JSON.parse(line) as { kind: string }).kind);
    expect(kinds).toContain('continued');
    expect((await run('eval', '--data', out, '--modes', 'block', '--json')).json()).toMatchObject({ rows: [{ n: 5 }] });
  });

  it.each([
    [['--out', 'no/such/folder/x'], '--out cannot be written'],
    [['--out', 'x', '--count', '0'], '--count is "0"'],
    [['--out', 'x', '--names', '5'], 'names is 5'],
  ])('refuses %j', async (more, message) => {
    const { code, stderr } = await workspace.run(['data', ...more]);
    expect(code).toBe(2);
    expect(stderr).toContain(message);
  });
});
