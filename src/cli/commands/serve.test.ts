import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { Workspace } from '../../../tests/support/cli/cli-workspace.ts';

const main = new URL('../main.ts', import.meta.url).pathname;
let workspace: Workspace;
const children = new Set<ChildProcess>();
beforeAll(async () => {
  workspace = await Workspace.open(8192);
});
afterEach(() => {
  for (const child of children) child.kill('SIGKILL');
  children.clear();
});
afterAll(() => workspace[Symbol.dispose]());

/** Starts a server and waits until it is ready. */
async function serve(...argv: string[]) {
  const args = [
    '--import',
    'tsx',
    main,
    'serve',
    '--model',
    workspace.model,
    '--mode',
    'block',
    '--port',
    '0',
    '--json',
  ];
  const env = { ...process.env, ...workspace.env };
  const child = spawn(process.execPath, [...args, ...argv], { env, stdio: ['ignore', 'pipe', 'pipe'] });
  children.add(child);
  let errors = '';
  child.stderr.setEncoding('utf8').on('data', (text: string) => (errors += text));
  const ended = once(child, 'close').then(([code, signal]: (number | string | null)[]) => code ?? signal);
  const ready = new Promise<{ url: string; model: string }>((resolve, reject) => {
    let text = '';
    child.stdout.setEncoding('utf8').on('data', (piece: string) => {
      text += piece;
      if (text.includes('\n')) resolve(JSON.parse(text));
    });
    void ended.then((code) => reject(new Error(`ended with ${code}: ${errors}`)));
  });
  const { url, model } = await ready;
  return { child, ended, url, model, log: () => errors };
}

const documents = [
  { id: 'bridge', title: 'Varn Bridge', text: 'The bridge was opened in 1931.' },
  { id: 'town', text: 'Tessen is a town of clock makers.' },
];

function ask(url: string, body: object): Promise<Response> {
  const messages = [{ role: 'user', content: 'When?' }];
  const request = { messages, documents, max_tokens: 4, ...body };
  const headers = { 'content-type': 'application/json' };
  return fetch(`${url}/v1/chat/completions`, { method: 'POST', headers, body: JSON.stringify(request) });
}

async function tiersOf(url: string, model: string): Promise<string[]> {
  const { block_attention } = JSON.parse(await (await ask(url, { model })).text());
  return block_attention.blocks.map(({ tier }: { tier: string }) => tier);
}

describe('serve', () => {
  it('finishes its streams on SIGTERM, sent once or often, takes no more requests, and ends with 0', async () => {
    const { child, ended, url, model } = await serve();
    const streams = await Promise.all(
      [0, 1, 2, 3].map(async (i) => ask(url, { model, stream: true, max_tokens: 1500 + i, temperature: 1, seed: i })),
    );
    const readers = streams.map(async (response) => {
      const reader = response.body?.getReader();
      let text = '';
      for (let part = await reader?.read(); part?.value; part = await reader?.read()) {
        child.kill('SIGTERM');
        text += Buffer.from(part.value).toString();
      }
      return text;
    });
    await expect
      .poll(() =>
        ask(url, { model }).then(
          (response) => response.status,
          () => 'refused',
        ),
      )
      .not.toBe(200);
    for (const text of await Promise.all(readers)) {
      expect(text).toMatch(/"finish_reason":"(stop|length)"/);
      expect(text.endsWith('data: [DONE]\n\n')).toBe(true);
    }
    expect(await ended).toBe(0);
  });

  it('is killed in the middle of its work, and serves from an intact store when started again', async () => {
    const folder = join(workspace.folder, 'killed');
    const first = await serve('--store', folder);
    expect(await tiersOf(first.url, first.model)).toEqual(['none', 'none', 'none']);
    const pending = async () =>
      (await (await fetch(`${first.url}/metrics`)).text()).match(/pending_write_bytes (\d+)/)?.[1];
    await expect.poll(pending).toBe('0');
    const many = Array.from({ length: 40 }, (_, i) => ({ id: `d${i}`, text: `Document ${i} says ${i * i}.` }));
    const lost = [0, 1, 2].map((i) =>
      ask(first.url, { model: first.model, documents: many.slice(i * 10), max_tokens: 500 }).catch(() => 'lost'),
    );
    await new Promise((resolve) => setTimeout(resolve, 60));
    first.child.kill('SIGKILL');
    expect(await first.ended).toBe('SIGKILL');
    expect(await Promise.all(lost)).toContain('lost');
    const second = await serve('--store', folder);
    expect(await tiersOf(second.url, second.model)).toEqual(['disk', 'disk', 'disk']);
    expect((await ask(second.url, { model: second.model, documents: many })).status).toBe(200);
    second.child.kill('SIGTERM');
    expect(await second.ended).toBe(0);
    const { code, json } = await workspace.run(['store', 'verify', '--store', folder, '--json']);
    expect(code).toBe(0);
    expect(json()).toMatchObject({ corrupt: 0 });
  });
});
