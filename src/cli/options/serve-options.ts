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
    .option('--max-bodies <bytes>', 'all requests under way, together (default: 128MiB)', bytesOption('--max-bodies'))
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
      .default(logLevel),
  );
  addModeOptions(command);
  whole('--max-files', 'files that a tenant may send (default: 1000)');
  command
    .option('--max-uploads <bytes>', 'size of all files of a tenant (default: 1GiB)', bytesOption('--max-uploads'))
    .option(
      '--docs-name <name>',
      'what requests call the model to be answered from the documents (default: docs)',
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
