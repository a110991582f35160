/** Options of the commands that serve: `serve` and `up`. */
import { type Command, Option } from 'commander';
import type { TableForm } from '../../rag/index.ts';
import { parseHost, parseOrigin } from '../../server/operate/web-names.ts';
import { invalid } from '../terminal/errors.ts';
import type { IndexFlags } from './index-options.ts';
import {
  addModeOptions,
  addStoreOptions,
  type ModeFlags,
  type ModelOptions,
  type StoreFlags,
} from './model-options.ts';
import { bytesOption, durationOption, numberOption } from './numbers.ts';

export interface ServeFlags extends ModelOptions, ModeFlags, StoreFlags, IndexFlags {
  readonly rerank?: string;
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
  readonly maxBodies?: number;
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
  readonly chunkTokens?: number;
  readonly tables?: TableForm;
  readonly ocr?: string;
  readonly maxFile?: number;
  readonly ignore?: boolean;
  readonly language?: string;
  readonly docsName?: string;
  readonly maxFiles?: number;
  readonly maxUploads?: number;
}

const mib = 2 ** 20;

/** @param logLevel where no flag says one */
export function addServerOptions(command: Command, logLevel: string): Command {
  command
    .option('--config <file>', 'JSON or YAML file of these options, named without leading dashes')
    .option('--check', 'print the settings and where they come from, then exit')
    .option('--json', 'once ready, print { url, model } as JSON; with --check, the settings');
  const { number, whole, share } = options(command);
  command
    .option('--port <n>', 'port; 0 for a free one', numberOption('--port', { min: 0, max: 65_535, whole: true }), 8787)
    .option('--host <name>', 'address to listen on', '127.0.0.1')
    .option(
      '--allowed-host <name>',
      'host name that clients may use for this server besides --host, loopback names and IP addresses; * for any; may be repeated',
      repeated(parseHost),
    )
    .option(
      '--cors <origin>',
      'origin whose pages may use this server from a browser, e.g. https://app.example; * for any; may be repeated',
      repeated(parseOrigin),
    )
    .option(
      '--model-name <name>',
      "name of the model in requests; may be repeated (default: the model's own name)",
      repeated(parseModelName),
    )
    .option(
      '--api-key <key>',
      'API key that clients must send, as KEY or KEY=tenant; visible in the list of processes; may be repeated',
      repeated(),
    )
    .option('--api-keys <file>', 'file of API keys, one per line; only its owner may read it')
    .option('--metrics-token <token>', 'bearer token for /metrics, which is off with API keys and without a token')
    .option('--max-body <bytes>', 'maximum size of a request body (default: 8MiB)', bytesOption('--max-body'))
    .option(
      '--max-bodies <bytes>',
      'maximum size of the bodies of all running requests together (default: 128MiB)',
      bytesOption('--max-bodies'),
    )
    .option('--deadline <time>', 'maximum duration of a request (default: 5m)', durationOption('--deadline'))
    .addOption(
      new Option('--grace <time>', 'time that running requests get at shutdown')
        .argParser(durationOption('--grace'))
        .default(30_000, '30s'),
    )
    .option(
      '--drain <time>',
      'minimum time for which /ready answers 503 at shutdown, for load balancers (default: none)',
      durationOption('--drain'),
    )
    .option(
      '--kv-memory <bytes>',
      'maximum memory for keys and values of running answers (default: half of memory)',
      bytesOption('--kv-memory'),
    )
    .addOption(
      new Option('--prefix-memory <bytes>', 'part of --kv-memory kept for prompts that share a prefix; 0 for none')
        .argParser(bytesOption('--prefix-memory'))
        .default(256 * mib, '256MiB'),
    );
  whole('--max-documents', 'maximum documents of a request (default: 1024)');
  whole('--max-tokens', 'maximum tokens of an answer (default: 4096)');
  whole('--max-running', 'maximum requests computed at once (default: 32)');
  whole('--max-queue', 'maximum requests that wait (default: 128)', 0);
  whole('--max-jobs', 'maximum encoding jobs at once (default: 4)');
  share('--shadow', 'share of the answers in block mode that are checked against full attention (default: 0)');
  share('--shadow-min-agreement', 'minimum mean agreement of the last checks (default: 0.6)');
  command.option(
    '--no-learn',
    'without a verdict, stay with full attention; by default an idle server also answers a sample of the requests in block mode, and changes to block mode once it agrees',
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
  number('--shadow-max-kl', 'maximum mean KL divergence of the first token, in nats (default: 0.5)');
  command.addOption(
    new Option('--log-level <level>', 'minimum level of the log')
      .choices(['debug', 'info', 'warn', 'error', 'silent'])
      .default(logLevel),
  );
  addModeOptions(command);
  whole('--max-files', 'maximum number of files of a tenant (default: 1000)');
  command
    .option(
      '--max-uploads <bytes>',
      'maximum size of all files of a tenant (default: 1GiB)',
      bytesOption('--max-uploads'),
    )
    .option(
      '--docs-name <name>',
      'name of the model in requests that are answered from the documents (default: docs)',
      parseModelName,
    );
  return addStoreOptions(command);
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

/** Collects an option that may be given several times. @param parse checks one */
function repeated(parse = (text: string) => text) {
  return (text: string, before: readonly string[] = []): string[] => [...before, parse(text)];
}

/** A name as the API takes it. @throws INVALID_ARGUMENT */
function parseModelName(text: string): string {
  if (text.trim() !== '' && text.length <= 512) return text;
  throw invalid('--model-name is blank or over 512 characters: give a name');
}
