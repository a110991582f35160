/** Servers to measure: this project's, and llama.cpp's own with its prompt caching. Both on loopback, same model. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createServer } from 'node:net';
import { fileURLToPath } from 'node:url';
import type { Passage, TraceRequest } from './trace.ts';

export interface Target extends AsyncDisposable {
  readonly name: string;
  readonly url: string;
  readonly pid: number;
  /** The body of a streamed chat request. */
  body(request: TraceRequest, answerTokens: number): object;
  /** Has the passages encoded before anybody asks; undefined where there is no such thing. */
  readonly warm: ((corpus: readonly Passage[]) => Promise<void>) | undefined;
}

export interface TargetOptions {
  readonly model: string;
  readonly threads: number;
  readonly clients: number;
  /** Longest prompt and answer of one request. */
  readonly contextTokens: number;
}

const root = fileURLToPath(new URL('../..', import.meta.url));
const announcement = 'Below are some reference documents that may help you in answering the question.';

export async function ourServer(
  { model, threads, clients }: TargetOptions,
  {
    mode,
    name,
    flags = [],
  }: { readonly mode: 'block' | 'full'; readonly name: string; readonly flags?: readonly string[] },
): Promise<Target> {
  const port = await freePort();
  const args = ['dist/cli/main.js', 'serve', '--model', model, '--threads', String(threads), '--port', String(port)];
  const child = spawn(
    process.execPath,
    [...args, '--mode', mode, '--no-store', '--max-running', String(clients), '--log-level', 'warn', ...flags],
    { cwd: root, stdio: ['ignore', 'ignore', 'inherit'] },
  );
  const url = `http://127.0.0.1:${port}`;
  const served = await ready(child, url, '/ready');
  return {
    name,
    url,
    pid: child.pid ?? 0,
    body: ({ passages, question }, max_tokens) => ({
      model: JSON.parse(served).model,
      messages: [{ role: 'user', content: question }],
      documents: passages,
      max_tokens,
      temperature: 0,
      stream: true,
      stream_options: { include_usage: true },
    }),
    warm:
      mode === 'full'
        ? undefined
        : async (corpus) => {
            const headers = { 'content-type': 'application/json' };
            const body = JSON.stringify({ documents: corpus });
            const job = JSON.parse(await (await fetch(`${url}/v1/blocks`, { method: 'POST', headers, body })).text());
            for (let status = 'running'; status === 'running'; ) {
              await new Promise((resolve) => setTimeout(resolve, 200));
              status = JSON.parse(await (await fetch(`${url}/v1/blocks/${job.id}`)).text()).status;
            }
          },
    [Symbol.asyncDispose]: () => end(child),
  };
}

/** @param binary path of llama-server @param flags further ones, such as `--cache-reuse 64` */
export async function llamaServer(
  { model, threads, clients, contextTokens }: TargetOptions,
  binary: string,
  flags: readonly string[] = [],
): Promise<Target> {
  const port = await freePort();
  const args = [
    '-m',
    model,
    '-t',
    String(threads),
    '-tb',
    String(threads),
    '--host',
    '127.0.0.1',
    '--port',
    String(port),
  ];
  const slots = ['-np', String(clients), '-c', String(clients * contextTokens), '--no-webui', '--jinja', ...flags];
  const child = spawn(binary, [...args, ...slots], { stdio: ['ignore', 'ignore', 'ignore'] });
  const url = `http://127.0.0.1:${port}`;
  await ready(child, url, '/health');
  return {
    name: ['llama-server', ...flags].join(' '),
    url,
    pid: child.pid ?? 0,
    body: (request, answerTokens) => ({ ...plainBody(request, answerTokens), cache_prompt: true }),
    warm: undefined,
    [Symbol.asyncDispose]: () => end(child),
  };
}

/** What an application on node-llama-cpp does; where it is installed (nodeLlamaCppInstalled). */
export async function nodeLlamaCpp({ model, threads, clients, contextTokens }: TargetOptions): Promise<Target> {
  const port = await freePort();
  const script = fileURLToPath(new URL('../peers/node-llama-cpp-server.mjs', import.meta.url));
  const child = spawn(process.execPath, [script, model, ...[threads, clients, contextTokens, port].map(String)], {
    stdio: ['ignore', 'ignore', 'inherit'],
  });
  const url = `http://127.0.0.1:${port}`;
  await ready(child, url, '/');
  return {
    name: 'node-llama-cpp',
    url,
    pid: child.pid ?? 0,
    body: plainBody,
    warm: undefined,
    [Symbol.asyncDispose]: () => end(child),
  };
}

/** For servers that know no documents: one message. */
function plainBody({ passages, question }: TraceRequest, max_tokens: number): object {
  const documents = passages.map(({ title, text }) => `- Title: ${title}\n${text}\n`).join('');
  return {
    model: 'model',
    messages: [{ role: 'user', content: `${announcement}\n\n${documents}\n\nQuestion: ${question}` }],
    max_tokens,
    temperature: 0,
    stream: true,
    stream_options: { include_usage: true },
  };
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  server.close();
  await once(server, 'close');
  return typeof address === 'object' && address !== null ? address.port : 0;
}

/** Waits for a server, which ends with this process at the latest. @returns the body of its answer */
async function ready(child: ChildProcess, url: string, path: string): Promise<string> {
  process.once('exit', () => child.kill('SIGKILL'));
  for (let tries = 0; tries < 600; tries++) {
    if (child.exitCode !== null) throw new Error(`${child.spawnfile} ended with ${child.exitCode} before it was ready`);
    const response = await fetch(url + path).catch(() => undefined);
    if (response?.ok) return response.text();
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  child.kill('SIGKILL');
  throw new Error(`${child.spawnfile} was not ready within a minute`);
}

async function end(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const closed = once(child, 'close');
  child.kill('SIGTERM');
  const timer = setTimeout(() => child.kill('SIGKILL'), 10_000);
  await closed;
  clearTimeout(timer);
}
