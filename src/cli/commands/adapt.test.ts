/** `adapt` as typed, with the embedded reader on a small folder: what it says, and what other commands make of it. */
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Workspace } from '../../../tests/support/cli/cli-workspace.ts';

let workspace: Workspace;
let documents: string;
beforeAll(async () => {
  workspace = await Workspace.open();
  documents = workspace.path('documents');
  mkdirSync(documents);
  for (const [i, place] of ['Hovgard', 'Tessen', 'Skelby'].entries()) {
    const text = `# The song of Varn ${i}\n\nThe song of Varn ${i} is kept in ${place}. Its maker is Fenon Dunbourne.\n\n## Places\n\n${place} lies on the river Ald. The mayor of ${place} was born there.\n`;
    writeFileSync(join(documents, `song-${i}.md`), text);
  }
});
afterAll(() => workspace[Symbol.dispose]());

const compute = ['--model', 'embedded', '--device', 'cpu', '--threads', '1'];
// Slow machines have time enough: what ends a run is its plan.
const small = ['--minutes', '600', '--passages', '2', '--contexts', '8'];
const adapt = (...more: string[]) => workspace.run(['adapt', ...compute, '--documents', documents, ...small, ...more]);

describe('adapt', () => {
  it('ends with a verdict that ask obeys, says what it plans, and goes on only when told to', async () => {
    const out = workspace.path('adapted');
    const { code, stderr, json } = await adapt('--out', out, '--json');
    expect(code).toBe(0);
    const report = json();
    const adapter = join(out, 'adapter.gguf');
    const held = { divergence: expect.any(Number), agreement: expect.any(Number) };
    expect(report).toMatchObject({
      plan: { contexts: 8, limit: 'asked', policy: 'plain' },
      training: { ended: expect.any(String), before: { block: held }, after: { block: held } },
      verification: {
        verdict: expect.stringMatching(/^(block|full)$/),
        labels: 'own',
        besideAt: `${adapter}.verdict.json`,
      },
      files: { adapter, verdict: `${adapter}.verdict.json`, report: join(out, 'report.json') },
    });
    expect(stderr).toMatch(/\d+ passages; 8 contexts to practise on, as asked for; policy plain\n/);
    expect(stderr).toMatch(/about .* for the model's own answers, .* for \d+ steps, at most .* to verify\n/);
    expect(stderr).toMatch(/\nstep \d+ of \d+: KL from full attention \d+\.\d{3}, same token in \d+\.\d %\n/);
    expect(stderr).toMatch(/\nBlock mode from full attention, on held-out contexts: KL \d.* before, \d.* after\n/);
    expect(stderr).toMatch(/\nVerdict {2}(block|full)/);
    expect(existsSync(join(out, 'report.svg'))).toBe(true);
    const { verdict } = report.verification as { verdict: string };
    const asked = ['ask', ...compute, '--passages', workspace.passages, '--no-store', '--max-tokens', '4', '--json'];
    const answer = (await workspace.run([...asked, '--adapter', adapter, 'where is it kept?'])).json();
    expect(answer).toMatchObject({ mode: verdict, adapter: { kind: 'writer', path: adapter, over: null } });
    expect(answer.reason).toMatch(new RegExp(`^verdict ${verdict}: `));
    // The model's own verdict is what it was.
    expect((await workspace.run([...asked, 'where is it kept?'])).json()).toMatchObject({
      mode: 'block',
      adapter: null,
    });
    const again = await adapt('--out', out);
    expect(again.stderr).toMatch(/holds a run already: give --resume to continue, or another --out/);
    expect(again.code).toBe(2);
    const made = readFileSync(adapter);
    const resumed = await adapt('--out', out, '--resume');
    expect(resumed.code).toBe(0);
    expect(resumed.stdout).toMatch(/\nWriter {3}.*adapter\.gguf\n/);
    expect(resumed.stdout).toMatch(/\nUse it {3}block-attention ask --model embedded --adapter .*adapter\.gguf/);
    expect(readFileSync(adapter).equals(made)).toBe(true);
    const other = await adapt('--out', out, '--resume', '--seed', '2');
    expect(other.stderr).toMatch(/is of another model, other documents or options: give the same ones/);
  });

  it.each<[readonly string[], RegExp]>([
    [['--minutes', '0'], /--minutes is "0"/],
    [['--passages', '1'], /--passages is "1"/],
    [['--documents', 'no-such-folder'], /no-such-folder/],
    [['--questions', 'nowhere.jsonl'], /nowhere\.jsonl/],
    [['--adapter', 'nowhere.gguf'], /adapter nowhere\.gguf cannot be opened/],
    [['--resume'], /adapt\.json does not exist: start without --resume/],
  ])('%j is refused', async (argv, message) => {
    const { code, stderr } = await adapt('--out', workspace.path('refused'), ...argv);
    expect(stderr).toMatch(message);
    expect(code).toBeGreaterThan(0);
  });

  it('refuses documents without text', async () => {
    const empty = workspace.path('empty');
    mkdirSync(empty);
    const { code, stderr } = await adapt('--documents', empty, '--out', workspace.path('refused'));
    expect(stderr).toMatch(/holds 0 passages: name more text/);
    expect(code).toBe(2);
  });
});
