/** Two workers and two servers, as processes of the command, on one Redis; one of each is killed in the middle. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { QueueEvents } from 'bullmq';
import { Redis } from 'ioredis';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { BuiltCommand } from '../../tests/support/cli/built-command.ts';
import { Workspace } from '../../tests/support/cli/cli-workspace.ts';
import { writeRandomModel } from '../../tests/support/models/random-model.ts';
import { RedisServer, redisInstalled } from '../../tests/support/redis-server.ts';
import { chatTemplate } from '../server/testing/workplace.ts';

const words = 'the bridge was opened in a town of clock makers on the river and crossed by carts every morning'.split(
  ' ',
);
const corpus = Array.from({ length: 96 }, (_, i) => ({
  id: `passage-${i}`,
  text: Array.from({ length: 70 }, (_, w) => words[(i * 7 + w * 5 + ((w * i) % 11)) % words.length])
    .concat(`number ${i}`)
    .join(' '),
}));

class Machine {
  readonly addresses = new Set<string>();
  readonly child: ChildProcess;
  stdout = '';
  stderr = '';
  readonly ended: Promise<unknown>;

  constructor(script: string, argv: readonly string[], env: NodeJS.ProcessEnv) {
    this.child = spawn(process.execPath, [script, ...argv], {
      env: { ...process.env, ...env },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    this.child.stdout?.setEncoding('utf8').on('data', (text: string) => (this.stdout += text));
    this.child.stderr?.setEncoding('utf8').on('data', (text: string) => (this.stderr += text));
    this.ended = once(this.child, 'close').then(([code]) => code);
  }

  async says(pattern: RegExp): Promise<string> {
    const find = () => pattern.exec(this.stdout + this.stderr)?.[0];
    await expect.poll(find, { timeout: 60_000, interval: 20, message: this.stderr }).toBeDefined();
    return find() ?? '';
  }

  json(): ReturnType<typeof JSON.parse> {
    return JSON.parse(this.stdout.trimEnd().split('\n').at(-1) ?? '');
  }
}

interface Answer {
  readonly port: number;
  readonly status: number;
  readonly misses: number;
  readonly tries: number;
}

describe.skipIf(!redisInstalled)('two workers and two servers', () => {
  let command: BuiltCommand;
  let workspace: Workspace;
  let redis: RedisServer;
  const clients: Redis[] = [];
  let client: Redis | undefined;
  const machines: Machine[] = [];
  /** Writes of blocks: key to the addresses of the writers. */
  const writes = new Map<string, string[]>();

  beforeAll(async () => {
    command = new BuiltCommand();
    workspace = await Workspace.open();
    const spec = { family: 'llama', layers: 6, embedding: 256, heads: 8, kvHeads: 2, contextTokens: 4096 } as const;
    await writeRandomModel(workspace.model, { ...spec, chatTemplate }, 5);
    writeFileSync(workspace.passages, corpus.map((passage) => JSON.stringify(passage)).join('\n'));
    redis = await RedisServer.start();
    client = new Redis(redis.url);
    const watching = new Redis(redis.url);
    const monitor = await watching.monitor();
    clients.push(client, watching, monitor);
    // Told when the server stops.
    for (const each of clients) each.on('error', () => {});
    monitor.on('monitor', (_time: string, args: readonly string[], source: string) => {
      const [name = '', key = ''] = args;
      if (name.toLowerCase() !== 'set' || !/^block-attention:\{[0-9a-f]{64}\}$/.test(key)) return;
      writes.set(key, [...(writes.get(key) ?? []), source]);
    });
  }, 300_000);
  afterAll(async () => {
    for (const { child } of machines) child.kill('SIGKILL');
    for (const each of clients) each.disconnect();
    await redis?.stop();
    workspace[Symbol.dispose]();
    command[Symbol.dispose]();
  });

  const addresses = async () => {
    const list = String(await client?.client('LIST'));
    return [...list.matchAll(/\baddr=(\S+)/g)].map(([, address]) => address ?? '');
  };

  /** Starts a machine and learns which connections are its. */
  async function start(argv: readonly string[], ready: RegExp): Promise<Machine> {
    const before = new Set(await addresses());
    const machine = new Machine(command.script, argv, workspace.env);
    machines.push(machine);
    await machine.says(ready);
    for (const address of await addresses()) if (!before.has(address)) machine.addresses.add(address);
    return machine;
  }

  const common = () => ['--model', workspace.model, '--threads', '1', '--device', 'cpu', '--shared', redis.url];
  const worker = (name: string) =>
    start(['worker', '--queue', redis.url, '--name', name, '--takeover', '2s', '--json', ...common()], /takes jobs/);
  const server = () =>
    start(
      ['serve', '--port', '0', '--no-store', '--mode', 'block', '--claims', 'strict', ...common()],
      /http:\/\/\S+\/v1/,
    );
  const enqueue = () =>
    start(
      ['enqueue', '--passages', workspace.passages, '--queue', redis.url, '--batch', '8', '--window', '6', '--json'],
      /^/,
    );
  const writesOf = (machine: Machine) =>
    [...writes.values()].flat().filter((source) => machine.addresses.has(source)).length;

  async function ask(replicas: readonly string[], n: number): Promise<Answer> {
    const documents = [0, 1, 2].map((i) => corpus[(n * 11 + i * 29) % corpus.length]);
    const messages = [{ role: 'user', content: `Question ${n}?` }];
    for (let tries = 1; ; tries += 1) {
      const url = replicas[(n + tries) % replicas.length] ?? '';
      try {
        const response = await fetch(`${url}/chat/completions`, {
          method: 'POST',
          headers: { 'content-type': 'application/json' },
          body: JSON.stringify({ model: 'model', messages, documents, max_tokens: 4 }),
        });
        if (!response.ok) throw new Error(`${response.status} ${await response.text()}`);
        const body: { block_attention: { blocks: { status: string }[] } } = JSON.parse(await response.text());
        const misses = body.block_attention.blocks.filter(({ status }) => status === 'miss').length;
        return { port: Number(new URL(url).port), status: response.status, misses, tries };
      } catch (error) {
        if (tries > 20) throw error;
        await new Promise((resolve) => setTimeout(resolve, 50));
      }
    }
  }

  it('encode every block once and answer every request while one of each is killed', async () => {
    const [first, second] = [await worker('first'), await worker('second')];
    const replicas = [await server(), await server()];
    const urls = await Promise.all(replicas.map((replica) => replica.says(/http:\/\/\S+\/v1/)));
    const events = new QueueEvents('encode', { connection: { port: redis.port }, prefix: '{block-attention}' });
    const stalled: string[] = [];
    events.on('stalled', ({ jobId }) => stalled.push(jobId));
    await events.waitUntilReady();

    const handedIn = await enqueue();
    const asking = Promise.all(
      Array.from({ length: 6 }, async (_, c) => {
        const answers: Answer[] = [];
        // The same five, until one server is gone and some were asked after that.
        for (let i = 0, after = 0; i < 5 || after < 4; i++) {
          if (replicas[0]?.child.killed) after++;
          answers.push(await ask(urls, c * 5 + (i % 5)));
        }
        return answers;
      }),
    );
    // In the middle of its second job.
    await first.says(/job encode-/);
    const before = writesOf(first);
    await expect.poll(() => writesOf(first), { interval: 5, timeout: 60_000 }).toBeGreaterThan(before);
    first.child.kill('SIGKILL');
    replicas[0]?.child.kill('SIGKILL');

    const answers = (await asking).flat();
    expect(answers.length).toBeGreaterThanOrEqual(30);
    expect(new Set(answers.map(({ status }) => status))).toEqual(new Set([200]));
    expect(answers.some(({ tries }) => tries > 1)).toBe(true);
    expect(await handedIn.ended).toBe(0);
    const summary = handedIn.json();
    expect(summary).toMatchObject({ passages: 96, jobs: 12, failed: [] });
    expect(stalled.length).toBeGreaterThan(0);

    const again = await enqueue();
    expect(await again.ended).toBe(0);
    expect(again.json()).toMatchObject({ encoded: 0, present: 96, failed: [] });

    second.child.kill('SIGTERM');
    expect(await second.ended).toBe(0);
    // 96 passages and the instruction, each written once; the living wrote whatever they encoded, so nothing was encoded twice.
    expect(writes.size).toBe(97);
    expect([...writes.values()].map((sources) => sources.length)).toEqual(Array(97).fill(1));
    expect(writesOf(second)).toBe(second.json().encoded);
    const [, survivor] = replicas;
    const port = Number(new URL(urls[1] ?? '').port);
    const misses = answers.filter((answer) => answer.port === port).reduce((sum, answer) => sum + answer.misses, 0);
    if (survivor) expect(writesOf(survivor)).toBe(misses);
    expect(await client?.keys('*:claim')).toEqual([]);
    await events.close();
  }, 180_000);
});
