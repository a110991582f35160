import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { withFolderLock } from '@block-attention/engine/internal/platform';
import { Client } from '@modelcontextprotocol/sdk/client/index.js';
import { StdioClientTransport } from '@modelcontextprotocol/sdk/client/stdio.js';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Workspace } from '../../../tests/support/cli/cli-workspace.ts';
import { forgetReading, noteReading, writerFolder } from '../../rag/catalog/documents-state.ts';

const root = fileURLToPath(new URL('../../..', import.meta.url));
let workspace: Workspace;
let client: Client;
const machine = ['--device', 'cpu', '--threads', '1'];

/** The command as a process of its own, and the protocol's own client on its streams. */
async function connect(...flags: string[]): Promise<Client> {
  const script = fileURLToPath(new URL('../main.ts', import.meta.url));
  const transport = new StdioClientTransport({
    command: process.execPath,
    args: ['--import', 'tsx', script, 'mcp', ...machine, '--mode', 'block', '--max-tokens', '4', ...flags],
    env: { ...process.env, ...workspace.env } as Record<string, string>,
    cwd: root,
    stderr: 'ignore',
  });
  const connected = new Client({ name: 'test', version: '1' });
  await connected.connect(transport);
  return connected;
}

beforeAll(async () => {
  workspace = await Workspace.open(2048);
  mkdirSync(workspace.path('docs'));
  writeFileSync(workspace.path('docs/bridge.md'), '# Bridge\n\nThe bridge was opened in 1911 by the mayor.\n');
  writeFileSync(workspace.path('docs/keys.txt'), 'Keys are rotated every ninety days by the harbour office.\n');
  const indexed = await workspace.run([
    'index',
    workspace.path('docs'),
    '--model',
    workspace.model,
    ...machine,
    '--no-encode',
  ]);
  expect(indexed.code, indexed.stderr).toBe(0);
  client = await connect();
});
afterAll(async () => {
  await client?.close();
  workspace[Symbol.dispose]();
});

interface Result {
  readonly isError?: boolean;
  readonly content: readonly { readonly type: string; readonly text: string }[];
  readonly structuredContent?: Record<string, unknown>;
}
const call = async (name: string, args: Record<string, unknown> = {}) =>
  (await client.callTool({ name, arguments: args })) as unknown as Result;

describe('the client of the Model Context Protocol, over stdio', () => {
  it('finds three tools that change nothing', async () => {
    const { tools } = await client.listTools();
    expect(tools.map(({ name }) => name)).toEqual(['search', 'ask', 'index_state']);
    expect(tools.every(({ annotations }) => annotations?.readOnlyHint === true)).toBe(true);
    expect(client.getServerVersion()?.name).toBe('block-attention');
  });

  it('searches, with filters', async () => {
    const { structuredContent, content } = await call('search', { question: 'who opened the bridge?' });
    const { passages } = structuredContent as { passages: { source: string }[] };
    expect(passages[0]?.source).toBe('bridge.md:3');
    expect(content[0]?.text).toContain('bridge.md:3');
    const filtered = await call('search', { question: 'bridge keys mayor rotated', types: ['text'], top: 1 });
    expect((filtered.structuredContent as { passages: { source: string }[] }).passages).toMatchObject([
      { source: 'keys.txt:1' },
    ]);
    expect((await call('search', { question: 'zebra' })).content[0]?.text).toBe('No passage speaks of this.');
  });

  it('asks: a question that the documents speak of, and one that they do not', async () => {
    const asked = await call('ask', { question: 'Who opened the bridge in 1911?' });
    expect(asked.structuredContent).toMatchObject({ answer: expect.any(String), ttftMs: expect.any(Number) });
    expect(asked.isError).toBeFalsy();
    const unknown = await call('ask', { question: 'What is the capital of France?' });
    expect(unknown.structuredContent).toMatchObject({ inDocuments: false, citations: [] });
    expect(unknown.content[0]?.text).toBe('The documents do not answer this.');
  });

  it('tells the state of the index', async () => {
    const { structuredContent } = await call('index_state');
    expect(structuredContent).toMatchObject({
      language: 'English',
      model: workspace.model,
      embeddings: null,
      folders: [{ root: workspace.path('docs'), files: 2, passages: 2, skipped: 0 }],
    });
  });

  it('is told of documents that another process adds, and that are still being read', async () => {
    const directory = join(workspace.env.BLOCK_ATTENTION_CACHE, 'index');
    writeFileSync(workspace.path('docs/ferry.md'), 'The ferry leaves at noon.\n');
    const again = ['index', workspace.path('docs'), '--model', workspace.model, ...machine, '--no-encode'];
    expect((await workspace.run(again)).code).toBe(0);
    expect((await call('index_state')).structuredContent).toMatchObject({ folders: [{ files: 3 }] });
    const ferry = await call('search', { question: 'ferry', paths: ['ferry*'] });
    expect(ferry.structuredContent).toMatchObject({
      passages: [{ source: 'ferry.md:1' }],
      documents: { state: 'ready' },
    });
    await withFolderLock(writerFolder(directory), async () => {
      await noteReading(directory, workspace.path('more'), 7);
      const documents = { state: 'reading', files: { done: 3, total: 10 } };
      const text =
        'The documents are still being read: 3 of 10 files so far, and none of them answers this. Ask again in a moment.';
      for (const name of ['search', 'ask']) {
        const told = await call(name, { question: 'zebra' });
        expect(told).toMatchObject({ content: [{ text }], structuredContent: { documents } });
      }
      expect((await call('index_state')).structuredContent).toMatchObject({ documents });
      const asked = await workspace.run(['ask', 'zebra', '--model', workspace.model, ...machine]);
      expect(asked.stdout).toBe(`${text}\n`);
      expect(asked.stderr).toContain('still being read: 3 of 10 files so far');
      expect(asked.stderr).not.toContain('not in the documents');
      const found = await workspace.run(['search', 'zebra', '--json']);
      expect(found.json()).toMatchObject({ hits: [], documents });
      await forgetReading(directory, workspace.path('more'));
    });
  });

  it('is told what is wrong, and goes on', async () => {
    for (const args of [{}, { question: '' }, { question: 'x', top: 0 }, { question: 'x', types: ['movie'] }]) {
      const refused = await call('search', args).catch((error: unknown) => error);
      expect(JSON.stringify(refused) + String(refused)).toMatch(/isError|Invalid/);
    }
    const blank = await call('ask', { question: ' ' });
    expect(blank).toMatchObject({ isError: true, content: [{ text: expect.stringContaining('[EMPTY_QUESTION]') }] });
    expect((await call('index_state')).isError).toBeFalsy();
  });

  it('leaves a question, and the server ends with its client', async () => {
    const controller = new AbortController();
    const asked = client.callTool({ name: 'ask', arguments: { question: 'Who opened the bridge?' } }, undefined, {
      signal: controller.signal,
    });
    controller.abort();
    await expect(asked).rejects.toThrow();
    expect((await call('index_state')).isError).toBeFalsy();
  });

  it('says at once that there is no index', async () => {
    const none = await workspace.run(['mcp', '--index', workspace.path('none')]);
    expect(none).toMatchObject({ code: 1, stdout: '', stderr: expect.stringContaining('block-attention index') });
  });

  it('passes over lines that are no message, answers what is one, and ends with its input', async () => {
    const hello = {
      jsonrpc: '2.0',
      id: 1,
      method: 'initialize',
      params: { protocolVersion: '2025-06-18', capabilities: {}, clientInfo: { name: 'x', version: '1' } },
    };
    const stdin = `not json\n{"a":1}\n${JSON.stringify(hello)}\n`;
    const { code, stdout } = await workspace.run(['mcp'], { stdin });
    expect(code).toBe(0);
    expect(JSON.parse(stdout.trim())).toMatchObject({ id: 1, result: { serverInfo: { name: 'block-attention' } } });
  });
});
