/** `serve`: the engine behind the OpenAI API, until a signal ends it. */
import { once } from 'node:events';
import { stat } from 'node:fs/promises';
import { isIP } from 'node:net';
import { type Command, Option } from 'commander';
import type { LoggerOptions, pino } from 'pino';
import { cacheFolder } from '../cache-folder.ts';
import { defaultModel } from '../models/aliases.ts';
import { parseHost, parseOrigin } from '../server/web-names.ts';
import { invalid } from './errors.ts';
import type { CliIo, CommandContext } from './io.ts';
import { loadOpenEngine, loadOpenStore } from './lazy.ts';
import {
  addModelOptions,
  addModeOptions,
  addStoreOptions,
  type ModeFlags,
  type ModelOptions,
  policyOf,
  type StoreFlags,
} from './model-options.ts';
import { bytesOption, durationOption, numberOption } from './numbers.ts';
import { Output } from './output.ts';
import { serverSecret } from './server-secret.ts';
import { applySettings, describeSettings } from './settings.ts';
import { textOf } from './text-file.ts';

interface ServeFlags extends ModelOptions, ModeFlags, StoreFlags {
  readonly config?: string;
  readonly check?: boolean;
  readonly json?: boolean;
  readonly port: number;
  readonly host: string;
  readonly allowedHost?: readonly string[];
  readonly cors?: readonly string[];
  readonly modelName?: readonly [string, ...string[]];
  readonly apiKey?: readonly string[];
  readonly apiKeys?: string;
  readonly metricsToken?: string;
  readonly maxBody?: number;
  readonly maxDocuments?: number;
  readonly maxTokens?: number;
  readonly maxRunning?: number;
  readonly maxQueue?: number;
  readonly maxJobs?: number;
  readonly deadline?: number;
  readonly grace: number;
  readonly drain?: number;
  readonly kvMemory?: number;
  readonly prefixMemory: number;
  readonly shadow?: number;
  readonly shadowMinAgreement?: number;
  readonly shadowMaxKl?: number;
  readonly learn: boolean;
  readonly learnRate: number;
  readonly learnTolerance: number;
  readonly logLevel: string;
}

const loadServer = () => import('../server/index.ts');
const loadPino = () => import('pino');
const mib = 2 ** 20;

export function addServe(program: Command, context: CommandContext): void {
  const command = program
    .command('serve')
    .description('answer requests of the OpenAI API over HTTP')
    .option('--config <file>', 'JSON or YAML file of these options, by name without dashes in front')
    .option('--check', 'print the settings and where they come from, and end')
    .option('--json', 'once ready, print { url, model } as JSON; with --check, the settings');
  const { number, whole, share } = options(command);
  command
    .option('--port <n>', 'port; 0 for a free one', numberOption('--port', { min: 0, max: 65_535, whole: true }), 8787)
    .option('--host <name>', 'address to listen on', '127.0.0.1')
    .option(
      '--allowed-host <name>',
      'name that clients reach this server by, beside --host, loopback names and IP addresses; * for any; may be repeated',
      repeated(parseHost),
    )
    .option(
      '--cors <origin>',
      'origin whose pages may use this server from a browser, e.g. https://app.example; * for any; may be repeated',
      repeated(parseOrigin),
    )
    .option(
      '--model-name <name>',
      "what requests call the model; may be repeated (default: the model's own name)",
      repeated(parseModelName),
    )
    .option(
      '--api-key <key>',
      'KEY or KEY=tenant that clients must send, seen by whoever lists processes; may be repeated',
      repeated(),
    )
    .option('--api-keys <file>', 'file of such keys, one per line; for its owner alone')
    .option('--metrics-token <token>', 'bearer token of /metrics, which is off where there are API keys and no token')
    .option('--max-body <bytes>', 'largest request (default: 8MiB)', bytesOption('--max-body'))
    .option('--deadline <time>', 'longest time of a request (default: 5m)', durationOption('--deadline'))
    .addOption(
      new Option('--grace <time>', 'time for requests under way at the end')
        .argParser(durationOption('--grace'))
        .default(30_000, '30s'),
    )
    .option(
      '--drain <time>',
      'least time in which /ready answers 503 at the end, for load balancers (default: none)',
      durationOption('--drain'),
    )
    .option('--kv-memory <bytes>', "answers' own keys and values (default: half of memory)", bytesOption('--kv-memory'))
    .addOption(
      new Option('--prefix-memory <bytes>', 'of these, kept for requests that begin alike; 0 for none')
        .argParser(bytesOption('--prefix-memory'))
        .default(256 * mib, '256MiB'),
    );
  whole('--max-documents', 'documents of one request (default: 1024)');
  whole('--max-tokens', 'longest answer that may be asked for (default: 4096)');
  whole('--max-running', 'requests computed at once (default: 32)');
  whole('--max-queue', 'requests that wait beyond those (default: 128)', 0);
  whole('--max-jobs', 'encoding jobs at once (default: 4)');
  share('--shadow', 'share of the answers in block mode that are checked against full attention (default: 0)');
  share('--shadow-min-agreement', 'least mean agreement of the last checks (default: 0.6)');
  command.option(
    '--no-learn',
    'stay with full attention without a verdict; else a sample of the requests is read in block mode, too, while idle, and what is as good there runs there from then on',
  );
  command.option(
    '--learn-rate <x>',
    'share of the requests in that sample',
    numberOption('--learn-rate', { min: 0, max: 1 }),
    0.25,
  );
  command.option(
    '--learn-tolerance <x>',
    "probability of full attention's own answers that block mode may lose",
    numberOption('--learn-tolerance', { min: 0.001, max: 0.5 }),
    0.05,
  );
  number('--shadow-max-kl', 'greatest mean KL divergence of the first token, in nats (default: 0.5)');
  command.addOption(
    new Option('--log-level <level>', 'least severe line of the log')
      .choices(['debug', 'info', 'warn', 'error', 'silent'])
      .default('info'),
  );
  addModeOptions(command);
  addStoreOptions(addModelOptions(command)).action(async (flags: ServeFlags) => {
    const settings = await applySettings(command, context.io.env, flags.config);
    const filled: ServeFlags = command.opts();
    if (filled.check === true) {
      const output = new Output(context.io, filled);
      const rows = describeSettings(settings);
      for (const { name, value, source } of rows) output.print(`${name.padEnd(22)} ${source.padEnd(12)} ${value}`);
      output.result({ settings: rows });
    } else await run(filled, context.io);
  });
}

async function run(flags: ServeFlags, io: CliIo): Promise<void> {
  const output = new Output(io, flags);
  const server = await loadServer();
  const { pino } = await loadPino();
  const { openEngine } = await loadOpenEngine();
  const { openStore } = await loadOpenStore();
  const file = flags.apiKeys === undefined ? '' : await textOf('--api-keys', flags.apiKeys);
  const lines = file.split(/\r?\n/).map((line) => line.trim());
  const apiKeys = [...(flags.apiKey ?? []), ...lines.filter((line) => line !== '' && !line.startsWith('#'))];
  const keys = apiKeys.map(server.parseApiKey);
  if (flags.apiKeys !== undefined) await noteReaders(flags.apiKeys, output);
  const secret = await serverSecret(io.env, cacheFolder(io.env), { keyed: keys.length > 0, output });
  const store = await openStore(flags, io.env, output);
  const logger = pino(logOptions(pino, flags.logLevel), { write: (line: string) => void io.stderr.write(line) });
  const opened = await openEngine(flags, {
    io,
    output,
    store,
    more: {
      onThreads: ({ threads, of, message }) => logger.warn({ threads, of }, message),
      kvBytes: flags.kvMemory,
      prefixBytes: flags.prefixMemory,
      mode: flags.mode,
      policy: policyOf(flags),
    },
  });
  try {
    const { defaultLimits: limits, defaultShadow: shadow } = server;
    const app = server.createServer({
      engine: opened.engine,
      modelName: flags.modelName ?? opened.model.name,
      apiKeys: keys,
      secret,
      metricsToken: flags.metricsToken,
      corsOrigins: flags.cors,
      allowedHosts: allowedHosts(flags, keys.length > 0),
      logger,
      limits: {
        bodyBytes: flags.maxBody ?? limits.bodyBytes,
        documents: flags.maxDocuments ?? limits.documents,
        answerTokens: flags.maxTokens ?? limits.answerTokens,
        running: flags.maxRunning ?? limits.running,
        queue: flags.maxQueue ?? limits.queue,
        jobs: flags.maxJobs ?? limits.jobs,
        deadlineMs: flags.deadline ?? limits.deadlineMs,
      },
      learn: {
        rate: flags.learn ? flags.learnRate : 0,
        tolerance: flags.learnTolerance,
        keep: server.keepLearned(opened.engine, { template: flags.template, cacheDir: cacheFolder(io.env) }),
      },
      shadow: {
        rate: flags.shadow ?? shadow.rate,
        minAgreement: flags.shadowMinAgreement ?? shadow.minAgreement,
        maxKl: flags.shadowMaxKl ?? shadow.maxKl,
      },
    });
    const name = flags.modelName?.[0] ?? opened.model.name;
    const listening = await server.listen(app, flags.port, flags.host);
    if (flags.host !== '127.0.0.1' && flags.host !== 'localhost' && keys.length === 0) {
      output.note(`warning: everybody who reaches ${flags.host} is served: set --api-key`);
    }
    if (flags.model === defaultModel) {
      output.note(
        'the embedded model answers, a reader of short facts: for documents of your own name another, --model',
      );
    }
    if (keys.length > 0) output.note(`API keys of ${app.tenants.length} tenants: ${app.tenants.join(', ')}`);
    output.print(`${name} at ${listening.url}/v1, API page at ${listening.url}/docs`);
    const { reason } = opened.engine.chooseMode({});
    if (reason !== null) output.note(`mode: ${reason}`);
    output.result({ url: listening.url, model: name });
    if (!io.signal.aborted) await once(io.signal, 'abort');
    output.note('finishing the requests under way');
    await listening.close(flags.grace, { drainMs: flags.drain });
  } finally {
    await opened[Symbol.asyncDispose]();
  }
}

/** Lines that people can read, too: a level by its name, a time by the clock. */
function logOptions({ stdTimeFunctions }: Pick<typeof pino, 'stdTimeFunctions'>, level: string): LoggerOptions {
  return {
    base: null,
    level,
    timestamp: stdTimeFunctions.isoTime,
    formatters: { level: (label) => ({ level: label }) },
  };
}

/** Warns of a file of keys that others can read. */
async function noteReaders(path: string, output: Output): Promise<void> {
  const { mode } = await stat(path);
  // Windows has no such bits.
  if (process.platform === 'win32' || (mode & 0o077) === 0) return;
  output.note(`warning: ${path} holds API keys and can be read by other users: chmod 600 ${path}`);
}

/** Shorthands for options with a number. */
function options(command: Command) {
  const number = (flag: string, help: string) => command.option(`${flag} <x>`, help, numberOption(flag, { min: 0 }));
  const whole = (flag: string, help: string, min = 1) =>
    command.option(`${flag} <n>`, help, numberOption(flag, { min, whole: true }));
  const share = (flag: string, help: string) =>
    command.option(`${flag} <x>`, help, numberOption(flag, { min: 0, max: 1 }));
  return { number, whole, share };
}

/** The name that is listened on is a name of the server, too. Where there are keys, names are checked only when given. */
function allowedHosts({ host, allowedHost = [] }: ServeFlags, keyed: boolean): readonly string[] {
  const isName = isIP(host) === 0;
  return isName && !(keyed && allowedHost.length === 0) ? [...allowedHost, host] : allowedHost;
}

/** Collects an option that may be given several times. @param parse checks one */
function repeated(parse = (text: string) => text) {
  return (text: string, before: readonly string[] = []): string[] => [...before, parse(text)];
}

/** A name as the API takes it. @throws INVALID_ARGUMENT */
function parseModelName(text: string): string {
  if (text.trim() !== '' && text.length <= 512) return text;
  throw invalid('--model-name is blank or over 512 characters: give a name');
}
