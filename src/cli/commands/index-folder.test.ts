import { mkdirSync, rmSync, utimesSync, writeFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Workspace } from '../../../tests/support/cli/cli-workspace.ts';
import { modelAliases } from '../../hub/index.ts';

let workspace: Workspace;
beforeAll(async () => {
  workspace = await Workspace.open(2048);
  mkdirSync(workspace.path('docs'));
  put('bridge.md', '# Bridge\n\nThe bridge was opened in 1911 by the mayor.\n');
  put(
    'keys.md',
    '# Keys\n\nKeys are rotated every ninety days.\n\n## Loss\n\nA lost key is reported to the harbour.\n',
  );
});
afterAll(() => workspace[Symbol.dispose]());

function put(name: string, text: string): void {
  writeFileSync(workspace.path(`docs/${name}`), text);
  // A file may change and keep its size and time.
  utimesSync(workspace.path(`docs/${name}`), 1_700_000_000, 1_700_000_000);
}

const machine = ['--device', 'cpu', '--threads', '1'];
const index = (...more: string[]) => workspace.run(['index', workspace.path('docs'), ...machine, ...more]);
const ask = (...more: string[]) => workspace.run(['ask', ...machine, '--mode', 'block', '--max-tokens', '30', ...more]);
function grammar(text: string): string {
  writeFileSync(workspace.path('answer.gbnf'), `root ::= ${JSON.stringify(text)}`);
  return workspace.path('answer.gbnf');
}

describe('from a folder to an answer', () => {
  it('says what is missing before there is an index', async () => {
    const none = await workspace.run(['ask', 'when?', '--json']);
    expect(none).toMatchObject({ code: 1, stderr: expect.stringContaining('block-attention index') });
    expect(none.json()).toHaveProperty('error.code', 'INDEX_NOT_FOUND');
    if ('embedded' in modelAliases) return;
    expect(await index()).toMatchObject({ code: 2, stderr: expect.stringContaining('--model is missing') });
  });

  it('counts the files of other types', async () => {
    const others = workspace.path('others');
    mkdirSync(others);
    const names = ['a.odt', 'b.ODT', 'c.xls', 'Makefile.bak', 'package-lock.json', '.hidden.odt', 'left.key', 'd'];
    for (const name of names) writeFileSync(`${others}/${name}`, 'x');
    writeFileSync(`${others}/.blockignore`, '*.key\n');
    const own = ['--model', workspace.model, '--no-encode', '--index', workspace.path('others-index'), ...machine];
    const { stderr } = await workspace.run(['index', others, ...own]);
    expect(stderr).toContain('5 files of other types: 2 .odt, 1 .bak, 1 .xls, 1 more\n');
    const { files } = (await workspace.run(['index', others, ...own, '--json'])).json();
    expect(files).toMatchObject({
      total: 0,
      others: { total: 5, endings: { '': 1, '.odt': 2, '.bak': 1, '.xls': 1 } },
    });
  });

  it('indexes, encodes, and does nothing twice', async () => {
    const first = (await index('--model', workspace.model, '--json')).json();
    expect(first).toMatchObject({
      files: { total: 2, added: 2 },
      chunks: { total: 3, added: 3 },
      blocks: { encoded: 3, present: 0 },
      index: `${workspace.env.BLOCK_ATTENTION_CACHE}/index`,
    });
    const { code, stdout } = await index();
    expect(code).toBe(0);
    expect(stdout).toMatch(/^2 files in .* \(nothing changed\): 3 passages, [\d,]+ tokens, in /);
    expect(stdout).toMatch(/0 blocks encoded, 3 were there already/);
  });

  it('asks without naming a model, from stored blocks, and cites file and line', async () => {
    const question = 'When was the bridge opened?';
    const result = (await ask(question, '--grammar', grammar('It was opened in 1911.'), '--json')).json();
    expect(result).toMatchObject({
      answer: 'It was opened in 1911.',
      mode: 'block',
      ttftMs: expect.any(Number),
      tokens: { context: expect.any(Number), question: expect.any(Number), answer: expect.any(Number) },
      inDocuments: true,
      citations: [{ index: 1, source: 'bridge.md:3', path: 'bridge.md', startLine: 3, endLine: 3 }],
      model: { path: workspace.model },
    });
    expect(result.blocks).toMatchObject([{ id: 'system' }, { id: 'bridge.md:3', status: 'hit', tier: 'disk' }]);
    const people = await ask(question, '--grammar', grammar('It was opened in 1911.'));
    expect(people.stdout).toBe('It was opened in 1911.\n\n[1] bridge.md:3  Bridge\n');
  });

  it('says what is not in the documents', async () => {
    const result = await ask('Who painted the Mona Lisa?', '--json');
    expect(result.json()).toMatchObject({
      inDocuments: false,
      citations: [],
      answer: 'The documents do not answer this.',
    });
    const { stderr } = await ask('Who painted the Mona Lisa?');
    expect(stderr).toContain('not in the documents');
    expect(stderr).toContain('no model was asked');
    expect(stderr).not.toMatch(/first token|since no verdict/);
  });

  it('reads as many passages as the context holds, and says what it left out', async () => {
    const question = 'When are keys rotated, lost, reported, and the bridge opened?';
    const whole = (await ask(question, '--json')).json();
    expect(whole).toMatchObject({ asked: true, leftOut: { passages: 0, turns: 0 }, hits: [{}, {}, {}] });
    const { context, question: asked } = whole.tokens as { context: number; question: number };
    const short = ['--context', String(context + asked + 30 - 1)];
    const less = (await ask(question, ...short, '--json')).json();
    expect(less).toMatchObject({ leftOut: { passages: 1, turns: 0 }, hits: [{}, {}] });
    expect((await ask(question, ...short)).stderr).toContain('left out for want of context: the last passage');
  });

  it('searches without a model', async () => {
    const { stdout, stderr } = await workspace.run(['search', 'lost keys']);
    expect(stdout).toMatch(/^\[1\] keys\.md:7 {2}Keys › Loss\n {4}A lost key is reported/);
    expect(stderr).toMatch(/^2 passages in .* from /m);
    const { hits } = (await workspace.run(['search', 'lost keys', '--path', 'b*', '--json'])).json();
    expect(hits).toEqual([]);
    const [hit] = (await workspace.run(['search', 'bridge', '--top', '1', '--json'])).json().hits as unknown[];
    expect(hit).toMatchObject({ rank: 1, source: 'bridge.md:3', text: 'The bridge was opened in 1911 by the mayor.' });
  });

  it('follows changes: a changed file’s changed passages are encoded, a deleted one’s blocks go', async () => {
    put(
      'keys.md',
      '# Keys\n\nKeys are rotated every thirty days.\n\n## Loss\n\nA lost key is reported to the harbour.\n',
    );
    rmSync(workspace.path('docs/bridge.md'));
    expect((await index('--json')).json()).toMatchObject({
      files: { total: 1, changed: 1, removed: 1 },
      chunks: { total: 2, added: 1, removed: 2 },
      blocks: { encoded: 1, present: 1, removed: 2 },
    });
    const { blocks } = (await workspace.run(['store', 'stats', '--json'])).json();
    // Two passages and the instruction.
    expect(blocks).toBe(3);
    expect((await ask('When was the bridge opened?', '--json')).json()).toMatchObject({ inDocuments: false });
  });

  it('holds a conversation', async () => {
    const stdin = 'How often are the keys rotated?\nAnd when is one lost?\n\nnever asked\n';
    const argv = ['ask', '--chat', ...machine, '--mode', 'block', '--grammar', grammar('Every thirty days.'), '--json'];
    const { turns } = (await workspace.run(argv, { stdin })).json();
    expect(turns).toMatchObject([
      { question: 'How often are the keys rotated?', answer: 'Every thirty days.', inDocuments: true },
      { question: 'And when is one lost?', answer: 'Every thirty days.' },
    ]);
  });

  it('lists and drops folders', async () => {
    const { folders } = (await workspace.run(['index', '--list', '--json'])).json();
    expect(folders).toMatchObject([{ files: 1, chunks: 2 }]);
    expect(await workspace.run(['index', '--remove', '/no/such'])).toMatchObject({ code: 1 });
    const removed = (await workspace.run(['index', '--remove', workspace.path('docs'), '--json'])).json();
    expect(removed).toMatchObject({ chunks: 2, blocks: 2 });
    expect((await workspace.run(['search', 'keys', '--json'])).json().hits).toEqual([]);
  });
});

describe('the options', () => {
  it('can leave encoding to the questions, and go to an index of one’s own', async () => {
    const own = ['--index', workspace.path('own-index')];
    const summary = (await index('--model', workspace.model, '--no-encode', ...own, '--json')).json();
    expect(summary).toMatchObject({ chunks: { total: 2 }, blocks: { encoded: 0 } });
    const { blocks } = (await ask('How often are the keys rotated?', ...own, '--json')).json();
    expect(blocks).toMatchObject([{ id: 'system' }, { status: 'miss' }, {}]);
  });

  it('encodes what did not change again under another policy, and finds both again', async () => {
    const own = ['--index', workspace.path('policy-index'), '--store', workspace.path('policy-store')];
    await index('--model', workspace.model, ...own);
    for (const policy of [['--policy', 'anchor:7'], []]) {
      await index(...own, ...policy);
      expect((await index(...own, ...policy)).stdout).toMatch(/0 blocks encoded, 2 were there already/);
    }
    const { blocks } = (await ask('How often are the keys rotated?', ...own, '--policy', 'anchor:9', '--json')).json();
    expect(blocks).toMatchObject([{ id: 'system' }, { status: 'miss' }, {}]);
  });

  it.each([
    [['index'], 'give one of'],
    [['index', 'a', '--list'], 'give one of'],
    [['index', '/no/such/folder', '--model', 'MODEL', '--no-encode'], 'cannot be read'],
    [['index', '.', '--no-store', '--model', 'MODEL'], '--no-encode'],
    [['search', 'x', '--type', 'poem'], 'markdown, html'],
    [['search', 'x', '--since', 'tomorrow'], '--since is "tomorrow"'],
    [['search', 'x', '--top', '0'], '--top is "0"'],
    [['ask', 'x', '--passages', 'a', '--state', 'b'], 'not both'],
    [['ask', 'x', '--state', 'none.json', '--model', 'MODEL'], '--state cannot be read'],
    [['ask', '--chat', '--passages', '-'], 'standard input'],
    [['ask', 'x', '--min-coverage', '2'], '--min-coverage is "2"'],
    [['ask'], 'EMPTY_QUESTION'],
  ])('refuse %j', async (argv, message) => {
    const { code, stderr } = await workspace.run(argv.map((part) => (part === 'MODEL' ? workspace.model : part)));
    expect(code).toBe(2);
    expect(stderr).toContain(message);
  });
});

describe('a JSON state', () => {
  it('is asked object by object, and only what changed is encoded again', async () => {
    const units = Array.from({ length: 12 }, (_, i) => ({
      id: `boat${i}`,
      place: i * 7,
      note: 'in the harbour, waiting',
    }));
    const file = workspace.path('state.json');
    const run = async () => {
      writeFileSync(file, JSON.stringify({ turn: 1, units, log: 'the harbour was opened in the night. '.repeat(12) }));
      const argv = [
        '--model',
        workspace.model,
        '--state',
        file,
        'where is the boat?',
        '--store',
        workspace.path('state'),
      ];
      return (await ask(...argv, '--json')).json();
    };
    await run();
    units[2] = { id: 'boat2', place: 99, note: 'in the harbour, waiting' };
    const { blocks } = await run();
    const missed = (blocks as { id: string; status: string }[]).filter(({ status }) => status === 'miss');
    expect(missed.map(({ id }) => id)).toEqual(['state.units[id=boat2]']);
  });
});

const embedded = 'embedded' in modelAliases;
if (!embedded) console.warn('skipped: no model comes with the package');
describe.skipIf(!embedded)('the model that comes with the package', () => {
  it('goes from an empty folder to a cited answer, offline', async () => {
    mkdirSync(workspace.path('fresh'));
    writeFileSync(
      workspace.path('fresh/bridge.md'),
      '# Bridge\n\nThe owner of the bridge is Mara Teller. The bridge was opened in 1911.\n',
    );
    const own = ['--index', workspace.path('fresh-index'), '--json'];
    const indexed = await workspace.run(['index', workspace.path('fresh'), ...machine, ...own]);
    expect(indexed.json()).toMatchObject({ files: { total: 1 }, blocks: { encoded: 1 }, model: 'embedded' });
    // In the documents' own words: what the model knows is little.
    const result = (await ask('Who is the owner of the bridge?', ...own)).json();
    expect(result.blocks).toMatchObject([{ id: 'system' }, { id: 'bridge.md:3', status: 'hit' }]);
    expect(result.answer).toMatch(/Mara Teller/);
    expect(result).toMatchObject({ inDocuments: true, citations: [{ source: 'bridge.md:3' }] });
  });
});
