/** `serve`: the engine behind the OpenAI API, until a signal ends it. */
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { mkdir, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { Command } from 'commander';
import { cacheFolder, type Environment } from '../models/index.ts';
import type { CliIo, CommandContext } from './io.ts';
import { loadOpenEngine, loadOpenStore } from './lazy.ts';
import { addModelOptions, addStoreOptions, type ModelOptions, type StoreFlags } from './model-options.ts';
import { bytesOption, durationOption, numberOption } from './numbers.ts';
import { Output } from './output.ts';
import { textOf } from './text-file.ts';

interface ServeFlags extends ModelOptions, StoreFlags {
  readonly port: number;
  readonly host: string;
  readonly apiKey?: readonly string[];
  readonly apiKeys?: string;
  readonly metricsToken?: string;
  readonly maxBody?: number;
  readonly maxDocuments?: number;
  readonly maxTokens?: number;
  readonly maxRunning?: number;
  readonly maxQueue?: number;
  readonly deadline?: number;
}

const loadServer = () => import('../server/index.ts');
const loadPino = () => import('pino');

export function addServe(program: Command, context: CommandContext): void {
  const whole = (flag: string) => numberOption(flag, { min: 1, whole: true });
  const repeated = (text: string, before: readonly string[] = []) => [...before, text];
  const command = program
    .command('serve')
    .description('answer requests of the OpenAI API over HTTP')
    .option('--port <n>', 'port; 0 for a free one', numberOption('--port', { min: 0, max: 65_535, whole: true }), 8787)
    .option('--host <name>', 'address to listen on', '127.0.0.1')
    .option('--api-key <key>', 'KEY or KEY=tenant that clients must send; may be repeated', repeated)
    .option('--api-keys <file>', 'file of such keys, one per line')
    .option('--metrics-token <token>', 'bearer token of /metrics, which is off where there are API keys and no token')
    .option('--max-body <bytes>', 'largest request (default: 8MiB)', bytesOption('--max-body'))
    .option('--max-documents <n>', 'documents of one request (default: 1024)', whole('--max-documents'))
    .option('--max-tokens <n>', 'longest answer that may be asked for (default: 4096)', whole('--max-tokens'))
    .option('--max-running <n>', 'requests computed at once (default: 32)', whole('--max-running'))
    .option(
      '--max-queue <n>',
      'requests that wait beyond those (default: 128)',
      numberOption('--max-queue', { min: 0, whole: true }),
    )
    .option('--deadline <time>', 'longest time of a request (default: 5m)', durationOption('--deadline'));
  addStoreOptions(addModelOptions(command)).action((flags: ServeFlags) => run(flags, context.io));
}

async function run(flags: ServeFlags, io: CliIo): Promise<void> {
  const output = new Output(io);
  const server = await loadServer();
  const { pino } = await loadPino();
  const { openEngine } = await loadOpenEngine();
  const { openStore } = await loadOpenStore();
  const file = flags.apiKeys === undefined ? '' : await textOf('--api-keys', flags.apiKeys);
  const lines = file.split(/\r?\n/).map((line) => line.trim());
  const apiKeys = [...(flags.apiKey ?? []), ...lines.filter((line) => line !== '' && !line.startsWith('#'))];
  const keys = apiKeys.map(server.parseApiKey);
  const secret = keys.length > 0 ? await serverSecret(io.env) : undefined;
  const store = await openStore(flags, io.env, output);
  const opened = await openEngine(flags, { io, output, store });
  try {
    const { maxBody, maxDocuments, maxTokens, maxRunning, maxQueue, deadline } = flags;
    const { defaultLimits: limits } = server;
    const app = server.createServer({
      engine: opened.engine,
      modelName: opened.model.name,
      apiKeys: keys,
      secret,
      metricsToken: flags.metricsToken,
      logger: pino({ base: null }, { write: (line: string) => void io.stderr.write(line) }),
      limits: {
        bodyBytes: maxBody ?? limits.bodyBytes,
        documents: maxDocuments ?? limits.documents,
        answerTokens: maxTokens ?? limits.answerTokens,
        running: maxRunning ?? limits.running,
        queue: maxQueue ?? limits.queue,
        deadlineMs: deadline ?? limits.deadlineMs,
      },
    });
    const listening = await server.listen(app, flags.port, flags.host);
    output.print(`${opened.model.name} at ${listening.url}/v1`);
    if (!io.signal.aborted) await once(io.signal, 'abort');
    output.note('finishing the requests under way');
    await listening.close();
  } finally {
    await opened[Symbol.asyncDispose]();
  }
}

/** What tenants' salts are made from: given, or made once and kept, so that stored blocks are found again. */
async function serverSecret(env: Environment): Promise<string> {
  if (env.BLOCK_ATTENTION_SECRET) return env.BLOCK_ATTENTION_SECRET;
  const path = join(cacheFolder(env), 'server-secret');
  await mkdir(dirname(path), { recursive: true });
  await writeFile(path, randomBytes(32).toString('hex'), { mode: 0o600, flag: 'wx' }).catch((error: unknown) => {
    if (!(error instanceof Error && 'code' in error && error.code === 'EEXIST')) throw error;
  });
  return (await textOf('the server secret', path)).trim();
}
