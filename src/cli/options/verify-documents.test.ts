import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Workspace } from '../../../tests/support/cli/cli-workspace.ts';

let workspace: Workspace;
let documents: string;
beforeAll(async () => {
  workspace = await Workspace.open();
  documents = workspace.path('documents');
  mkdirSync(documents);
  for (let i = 0; i < 12; i++) {
    const text = `# River ${i}\n\nThe river ${i} is ${i}0 km long. It rises in the hills.\n\n## Mouth\n\nIt ends in the sea ${i}.\n`;
    writeFileSync(join(documents, `river-${i}.md`), text);
  }
});
afterAll(() => workspace[Symbol.dispose]());

const run = (...more: string[]) =>
  workspace.run([
    'verify',
    '--model',
    workspace.model,
    '--device',
    'cpu',
    '--threads',
    '1',
    '--max-tokens',
    '4',
    '--passages',
    '2',
    // Slow machines have time enough: what ends it is the verdict.
    '--minutes',
    '60',
    ...more,
  ]);

describe('verify --documents', () => {
  it('ends with a verdict on a folder without a single question, and keeps those that it made', async () => {
    const { code, json, stderr } = await run('--documents', documents, '--policy', 'plain,head:500', '--json');
    expect(code).toBe(0);
    const report = json();
    expect(report).toMatchObject({
      labels: 'own',
      verdict: expect.stringMatching(/^(block|full)$/),
      tolerance: 0.05,
      // Whether the second policy is tried, the first decides.
      rows: expect.arrayContaining([
        expect.objectContaining({ policy: null, kl: 0 }),
        expect.objectContaining({ policy: 'plain', kl: expect.any(Number), abstained: expect.any(Number) }),
      ]),
      abstentions: { full: expect.any(Number), block: expect.any(Number), both: expect.any(Number) },
      timeUp: false,
    });
    expect(JSON.parse(readFileSync(String(report.storedAt), 'utf8'))).toMatchObject({
      verdict: report.verdict,
      policy: report.policy,
      basis: 'own',
    });
    expect(stderr).toMatch(/points of probability of full attention's own answers/);
    const kept = String(report.questions);
    expect(stderr).toContain(kept);
    const lines = readFileSync(kept, 'utf8')
      .trimEnd()
      .split('\n')
      .map((line): unknown => JSON.parse(line));
    expect(lines.length).toBeGreaterThan(12);
    for (const line of lines) {
      expect(line).toMatchObject({
        question: expect.any(String),
        answers: [],
        passages: [{ text: expect.any(String) }, { text: expect.any(String) }],
        from: expect.stringMatching(/^(heading|sentence|model)$/),
      });
      // Where a document lies on this machine is nobody's business.
      expect(JSON.stringify(line)).not.toContain(workspace.path(''));
    }
  });

  it('asks what a person made of the file', async () => {
    const file = workspace.path('mine.jsonl');
    const first = await run(
      '--documents',
      documents,
      '--questions',
      file,
      '--limit',
      '20',
      '--policy',
      'plain',
      '--json',
    );
    expect(first.json()).toMatchObject({ questions: file });
    const lines = readFileSync(file, 'utf8').trimEnd().split('\n');
    expect(lines).toHaveLength(20);
    const edited = lines
      .slice(0, 15)
      .map((line) => line.replace(/"question":"[^"]*"/, '"question":"Where does it end?"'));
    writeFileSync(file, edited.join('\n'));
    const again = await run('--documents', documents, '--questions', file, '--policy', 'plain', '--json');
    expect(again.json()).toMatchObject({ rows: [{ n: 15 }, { n: 15 }] });
    expect(readFileSync(file, 'utf8')).toBe(edited.join('\n'));
  });

  it('reads an index, by its folder or by name', async () => {
    const index = workspace.path('index');
    const indexed = await workspace.run([
      'index',
      documents,
      '--index',
      index,
      '--model',
      workspace.model,
      '--no-encode',
    ]);
    expect(indexed.code).toBe(0);
    const flags = ['--limit', '26', '--policy', 'plain', '--json'];
    const byName = await run('--documents', 'index', '--index', index, ...flags);
    expect(byName.json()).toMatchObject({ rows: [{ n: expect.any(Number) }, { policy: 'plain' }] });
    const byFolder = await run('--documents', index, ...flags);
    expect(byFolder.json()).toMatchObject({ questions: byName.json().questions });
  });

  it('leaves nothing behind but the questions and the verdict', () => {
    const cache = String(workspace.env.BLOCK_ATTENTION_CACHE);
    expect(existsSync(join(cache, 'questions'))).toBe(true);
    expect(readdirSync(join(cache, 'questions')).every((name) => /^[0-9a-f]{16}\.jsonl$/.test(name))).toBe(true);
  });

  it.each([
    [[], '--data is missing'],
    [['--documents', 'x', '--data', 'y'], 'give one of them'],
    [['--documents', 'no-such-folder'], 'no-such-folder'],
    [['--documents', 'index', '--index', 'none'], 'INDEX_NOT_FOUND'],
    [['--documents', 'x', '--minutes', '0'], '--minutes is "0"'],
  ])('refuses %j', async (more, message) => {
    const { code, stderr } = await run(...more);
    expect(code).toBeGreaterThan(0);
    expect(stderr).toContain(message);
  });

  it('refuses documents without text', async () => {
    const empty = workspace.path('empty');
    mkdirSync(empty);
    const { code, stderr } = await run('--documents', empty);
    expect(code).toBe(2);
    expect(stderr).toContain('holds no text to ask about');
  });
});
