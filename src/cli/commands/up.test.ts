import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { Workspace } from '../../../tests/support/cli/cli-workspace.ts';

const main = new URL('../main.ts', import.meta.url).pathname;
let workspace: Workspace;
const children = new Set<ChildProcess>();
beforeAll(async () => {
  workspace = await Workspace.open(2048);
});
afterEach(() => {
  for (const child of children) child.kill('SIGKILL');
  children.clear();
});
afterAll(() => workspace[Symbol.dispose]());

/** Starts a command that serves, and waits until it says where. */
async function start(...argv: string[]) {
  const common = [
    '--model',
    workspace.model,
    '--mode',
    'block',
    '--store',
    workspace.store,
    '--json',
    '--threads',
    '1',
  ];
  const env = { ...process.env, ...workspace.env };
  const child = spawn(process.execPath, ['--import', 'tsx', main, ...argv, ...common], {
    env,
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  children.add(child);
  let [text, errors] = ['', ''];
  child.stderr.setEncoding('utf8').on('data', (piece: string) => (errors += piece));
  child.stdout.setEncoding('utf8').on('data', (piece: string) => (text += piece));
  const ended = once(child, 'close').then(([code, signal]: (number | string | null)[]) => code ?? signal);
  let done = false;
  void ended.then(() => (done = true));
  while (!text.includes('\n') && !done) await sleep(20);
  if (done) throw new Error(errors);
  const { url } = JSON.parse(text) as { url: string };
  const get = async (path: string): Promise<ReturnType<typeof JSON.parse>> => (await fetch(`${url}${path}`)).json();
  return { child, ended, get, log: () => errors };
}

async function found(
  get: (path: string) => Promise<{ data: { path: string }[] }>,
  word: string,
): Promise<string | undefined> {
  return (await get(`/v1/search?q=${word}`)).data[0]?.path;
}

describe('up', () => {
  it('reads and watches folders, encodes them, and finds them again; serve --index goes on from there', async () => {
    const docs = workspace.path('docs');
    mkdirSync(docs);
    writeFileSync(join(docs, 'bridge.md'), 'The bridge was opened in 1911.');
    const first = await start('up', docs, '--port', '0', '--index', 'mine');
    while ((await found(first.get, 'bridge')) !== 'bridge.md') await sleep(20);
    writeFileSync(join(docs, 'ferry.md'), 'The ferry leaves at noon.');
    while ((await found(first.get, 'ferry')) !== 'ferry.md') await sleep(20);
    const encoded = async () => (await first.get('/v1/documents')).encoding;
    while ((await encoded()).done !== 2) await sleep(20);
    first.child.kill('SIGTERM');
    expect(await first.ended).toBe(0);
    expect(first.log()).toMatch(/1 file in .*docs \(1 new\): 1 passage,/);
    // `--index NAME` is a folder of that name in the cache.
    const { code, json } = await workspace.run([
      'search',
      '--index',
      join(workspace.env.BLOCK_ATTENTION_CACHE, 'indexes', 'mine'),
      '--json',
      'ferry',
    ]);
    expect([code, (json() as { hits: { path: string }[] }).hits[0]?.path]).toEqual([0, 'ferry.md']);
    const second = await start('serve', '--index', 'mine', '--port', '0');
    while ((await found(second.get, 'ferry')) !== 'ferry.md') await sleep(20);
    expect((await second.get('/v1/models')).data.map(({ id }: { id: string }) => id)).toContain('docs');
    second.child.kill('SIGTERM');
    expect(await second.ended).toBe(0);
  });

  it.each([
    [['up', 'nowhere'], '"nowhere" is not a folder'],
    [['up', '--port', 'x'], '--port'],
  ])('%j ends before a model is loaded', async (argv, message) => {
    const { code, stderr } = await workspace.run(argv);
    expect([code, stderr]).toEqual([2, expect.stringContaining(message)]);
  });
});
