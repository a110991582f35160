#!/usr/bin/env node
/**
 * A walk through the built package (dist/) with the Node that runs this: engine, store, server and index, with the
 * model that comes with the package. No network.
 *
 *   node scripts/smoke.mjs            prints a line per part; exit status 1 and the reason at the first that fails
 */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));
const command = join(root, 'dist', 'cli', 'main.js');
const folder = mkdtempSync(join(tmpdir(), 'block-attention-smoke-'));
const store = join(folder, 'store');
const env = { ...process.env, BLOCK_ATTENTION_CACHE: join(folder, 'cache'), BLOCK_ATTENTION_OFFLINE: '1' };
const passages = [
  { id: 'bridge', title: 'Vellmar Bridge', text: 'The Vellmar Bridge was opened in 1911.' },
  { id: 'town', title: 'Tessen', text: 'Tessen is a town of clock makers.' },
];
const question = 'When was the Vellmar Bridge opened?';

/** Runs a command to its end; returns the object of its last line. */
async function run(...argv) {
  const child = spawn(process.execPath, [command, ...argv, '--json'], { env, stdio: ['ignore', 'pipe', 'pipe'] });
  const text = { stdout: '', stderr: '' };
  for (const stream of ['stdout', 'stderr']) child[stream].on('data', (data) => (text[stream] += data));
  const [code] = await once(child, 'close');
  assert.equal(code, 0, `${argv.join(' ')} ended with ${code}: ${text.stderr}`);
  return JSON.parse(text.stdout.trim().split('\n').at(-1));
}

async function engine() {
  const { createEngine } = await import('../dist/index.js');
  const modelPath = join(root, 'models', 'embedded.gguf');
  // No `await using`: Node 20 and 22 have no word for it.
  const opened = await createEngine({ modelPath, device: 'cpu', cacheDir: join(folder, 'cache') });
  const request = { passages, question, mode: 'block', maxTokens: 12 };
  const first = await opened.answer(request).result;
  const again = await opened.answer({ ...request, passages: passages.toReversed() }).result;
  await opened.close();
  assert.match(first.text, /1911/);
  assert.match(again.text, /1911/);
  assert.deepEqual(new Set(again.blocks.map(({ status }) => status)), new Set(['hit']));
}

async function stored() {
  const file = join(folder, 'passages.jsonl');
  writeFileSync(file, passages.map((passage) => JSON.stringify(passage)).join('\n'));
  await run('encode', '--passages', file, '--store', store);
  const { blocks } = await run('ask', '--passages', file, '--store', store, '--mode', 'block', question);
  assert.ok(blocks.length > 0 && blocks.every(({ status, tier }) => status === 'hit' && tier === 'disk'));
}

async function index() {
  const documents = join(folder, 'documents');
  mkdirSync(documents);
  for (const { title, text } of passages) writeFileSync(join(documents, `${title}.md`), `# ${title}\n\n${text}\n`);
  const places = ['--index', join(folder, 'index'), '--store', store];
  await run('index', documents, ...places);
  const { answer, blocks } = await run('ask', ...places, question);
  assert.match(answer, /1911/);
  assert.ok(blocks.length > 0);
}

async function server() {
  const argv = [command, 'serve', '--model', 'embedded', '--port', '0', '--store', store, '--json'];
  const child = spawn(process.execPath, argv, { env, stdio: ['ignore', 'pipe', 'pipe'] });
  let errors = '';
  child.stderr.on('data', (data) => (errors += data));
  const closed = once(child, 'close');
  try {
    let url;
    for await (const line of createInterface(child.stdout)) {
      if (!line.startsWith('{')) continue;
      url = JSON.parse(line).url;
      break;
    }
    assert.ok(url, `the server did not start: ${errors}`);
    const response = await fetch(`${url}/v1/chat/completions`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({
        model: 'embedded',
        messages: [{ role: 'user', content: question }],
        documents: passages,
        max_tokens: 12,
      }),
    });
    const body = await response.json();
    assert.equal(response.status, 200, JSON.stringify(body));
    assert.match(body.choices[0].message.content, /1911/);
    child.kill('SIGTERM');
    const [code] = await closed;
    assert.equal(code, 0, `the server ended with ${code}: ${errors}`);
  } finally {
    child.kill('SIGKILL');
  }
}

try {
  for (const [name, part] of Object.entries({ engine, store: stored, index, server })) {
    const start = performance.now();
    await part();
    console.log(`${process.version} ${name}: as it should, ${((performance.now() - start) / 1000).toFixed(1)} s`);
  }
} finally {
  rmSync(folder, { recursive: true, force: true });
}
