/** The options that every command with a model shares, and what they become. */

import type { EngineOptions, RequestedMode } from '@block-attention/engine/internal/engine';
import { type ContextPolicy, parsePolicy } from '@block-attention/engine/internal/policy';
import { type Command, Option } from 'commander';
import { bytesOption, durationOption, numberOption, threadsOption } from './numbers.ts';

export interface ModelOptions {
  /** Defaults to `defaultModel`. */
  readonly model?: string | undefined;
  readonly device?: EngineOptions['device'];
  readonly threads?: number | 'auto';
  readonly context?: number;
  readonly kvType?: EngineOptions['kvType'];
  readonly attention?: EngineOptions['attention'];
  readonly deviceLimit?: number;
  readonly deviceMemory?: number;
  readonly template?: EngineOptions['template'];
  readonly linear?: EngineOptions['linear'];
  readonly repack?: boolean;
  readonly adapter?: readonly string[];
  readonly adapterScale?: number;
}

export const modelReferenceHelp = 'alias (see `models`), hf:owner/repo/file.gguf, https://… or path';

/** What is used without `--model`. */
export const modelDefaultHelp = 'BLOCK_ATTENTION_MODEL, else reader';

/** Adds `--model` and how it is to run. @param otherwise says what is used without it */
export function addModelOptions(command: Command, otherwise = modelDefaultHelp): Command {
  return addComputeOptions(command.option('--model <ref>', `${modelReferenceHelp} (default: ${otherwise})`))
    .addOption(
      new Option(
        '--context <tokens>',
        'maximum tokens of prompt plus answer (default: what the model was trained for)',
      ).argParser(numberOption('--context', { min: 1, whole: true })),
    )
    .addOption(
      new Option('--template <name>', 'prompt layout').choices(['auto', 'chat', 'paper', 'plain']).default('auto'),
    );
}

export interface ModeFlags {
  readonly mode: RequestedMode;
  readonly policy?: ContextPolicy;
  /** Another name of `policy`. */
  readonly repair?: ContextPolicy;
}

/** Adds which attention is used, for commands that answer. */
export function addModeOptions(command: Command): Command {
  return command
    .addOption(
      new Option('--mode <mode>', 'block attention, full, or auto: block if `verify` found it good enough')
        .choices(['auto', 'block', 'full'])
        .default('auto'),
    )
    .addOption(
      new Option(
        '--policy <policy>',
        'how passages are encoded and read in block mode, e.g. plain, anchor:200 or anchor:200+head:8 (default: what `verify` found, else anchored)',
      ).argParser(parsePolicy),
    )
    .addOption(new Option('--repair <policy>', 'the same as --policy').argParser(parsePolicy).conflicts('policy'));
}

/** Adds how passages are encoded, for commands that encode ahead of questions. */
export function addEncodingOption(command: Command): Command {
  return command.addOption(
    new Option(
      '--policy <policy>',
      'how passages are encoded, the same as in the commands that answer, e.g. plain or anchor:200 (default: what `verify` found, else anchored)',
    ).argParser(parsePolicy),
  );
}

export interface EncodingFlags {
  readonly policy?: ContextPolicy;
}

/** The policy that was asked for, under either name. */
export function policyOf({ policy, repair }: Pick<ModeFlags, 'policy' | 'repair'>): ContextPolicy | undefined {
  return policy ?? repair;
}

/** Adds how a model is to run. */
export function addComputeOptions(command: Command): Command {
  return command
    .option(
      '--adapter <file>',
      'LoRA to apply while the model runs: a GGUF that `finetune` or `adapt` wrote, or llama.cpp loads; twice where one is a writer; none leaves out the one that comes with an alias',
      repeated,
    )
    .addOption(
      new Option('--adapter-scale <x>', "what the adapter's change is multiplied by (default: 1)").argParser(
        numberOption('--adapter-scale'),
      ),
    )
    .addOption(
      new Option('--device <name>', 'compute device')
        .choices(['auto', 'cpu', 'cuda', 'vulkan', 'metal'])
        .default('auto'),
    )
    .addOption(
      new Option(
        '--threads <n>',
        'compute threads; auto: one per core, fewer while other processes use the cores (default: auto)',
      ).argParser(threadsOption('--threads')),
    )
    .addOption(
      new Option('--kv-type <type>', 'element type of stored keys and values')
        .choices(['f32', 'f16', 'q8_0'])
        .default('f16'),
    )
    .addOption(
      new Option('--attention <path>', 'attention path; gathered is the one of GPUs')
        .choices(['auto', 'gathered', 'native', 'portable'])
        .default('auto'),
    )
    .addOption(
      new Option(
        '--device-limit <bytes>',
        'maximum memory of the device; on the CPU, weights not counted (default: what the driver gives)',
      ).argParser(bytesOption('--device-limit')),
    )
    .addOption(
      new Option(
        '--device-memory <bytes>',
        'memory of the device for blocks (default: half of what weights leave, at most --memory)',
      ).argParser(bytesOption('--device-memory')),
    )
    .addOption(
      new Option(
        '--linear <path>',
        "linear layers of prompts: the native kernel where it fits, ggml's, or for each type of weights what is faster here",
      )
        .choices(['auto', 'native', 'ggml'])
        .default('auto'),
    )
    .option('--no-repack', 'use quantised weights as the file has them: slower, but without a second copy in memory');
}

export function engineOptions(options: ModelOptions): Omit<EngineOptions, 'modelPath'> {
  const { device, threads, context, kvType, attention, deviceLimit, deviceMemory, linear, template, repack } = options;
  const { adapter, adapterScale } = options;
  return {
    device,
    threads,
    contextTokens: context,
    kvType,
    attention,
    deviceBytes: deviceLimit,
    poolBytes: deviceMemory,
    linear,
    template,
    repack,
    adapter,
    adapterScale,
  };
}

export interface SamplingFlags {
  readonly maxTokens?: number;
  readonly temperature?: number;
  readonly topK?: number;
  readonly topP?: number;
  readonly minP?: number;
  readonly repeatPenalty?: number;
  readonly frequencyPenalty?: number;
  readonly presencePenalty?: number;
  readonly seed?: number;
  readonly stop?: readonly string[];
  readonly grammar?: string;
}

export function addSamplingOptions(command: Command): Command {
  const number = (flag: string, value: string, help: string, range: Parameters<typeof numberOption>[1]) =>
    command.addOption(new Option(`${flag} <${value}>`, help).argParser(numberOption(flag, range)));
  number('--max-tokens', 'n', 'maximum tokens of the answer (default: 200, or what the context has left)', {
    min: 1,
    whole: true,
  });
  number('--temperature', 't', '0 takes the likeliest token each time (default: 0)', { min: 0 });
  number('--top-k', 'k', 'number of likeliest tokens to sample from; 0 for all (default: 0)', { min: 0, whole: true });
  number('--top-p', 'p', 'keep the likeliest tokens whose probabilities add up to this share (default: 1)', {
    min: 0,
    max: 1,
  });
  number('--min-p', 'p', "minimum probability of a token, as a share of the likeliest one's (default: 0)", {
    min: 0,
    max: 1,
  });
  number(
    '--repeat-penalty',
    'x',
    'divisor of the logits of tokens in the answer; above 1 discourages repetition (default: 1)',
    { min: 0 },
  );
  number(
    '--frequency-penalty',
    'x',
    'subtracted from the logits of tokens in the answer, once per occurrence (default: 0)',
    {},
  );
  number('--presence-penalty', 'x', 'subtracted from the logits of tokens in the answer, once (default: 0)', {});
  number('--seed', 'n', 'makes sampling repeatable (default: random)', { min: 0, whole: true });
  return command
    .option('--stop <text>', 'text that ends the answer; may be repeated', repeated)
    .option('--grammar <file>', 'GBNF grammar that the answer follows');
}

export interface StoreFlags {
  /** Folder; false for none. */
  readonly store?: string | false;
  readonly memory?: number;
  readonly disk?: number;
  readonly ttl?: number;
  readonly tenantQuota?: number;
  readonly shared?: readonly string[];
  readonly claims?: 'patient' | 'strict' | 'none';
  /** File that holds the key. */
  readonly storeKey?: string;
}

/** Where blocks are kept, for commands that encode. */
export function addStoreOptions(command: Command): Command {
  addFolderOption(command)
    .option('--no-store', 'keep blocks in memory only')
    .addOption(
      new Option('--memory <bytes>', 'blocks kept in memory (default: 2GiB)').argParser(
        bytesOption('--memory', 2 ** 20),
      ),
    )
    .addOption(
      new Option('--disk <bytes>', 'size of the store folder (default: 20GiB)').argParser(bytesOption('--disk')),
    )
    .addOption(
      new Option(
        '--ttl <time>',
        'maximum age of stored blocks, e.g. 30d; older ones are encoded again (default: none; on shared servers 7d)',
      ).argParser(durationOption('--ttl')),
    )
    .addOption(
      new Option(
        '--tenant-quota <bytes>',
        "maximum size of one tenant's blocks in the folder (default: all of it)",
      ).argParser(bytesOption('--tenant-quota')),
    );
  command.addOption(
    new Option(
      '--claims <wait>',
      'wait for a block that another machine holds a lease on (in the shared Redis): about as long as encoding takes, as long as that machine lives, or not at all',
    )
      .choices(['patient', 'strict', 'none'])
      .default('patient'),
  );
  return addSharedOption(addStoreKeyOption(command));
}

export function addFolderOption(command: Command): Command {
  return command.option('--store <dir>', "folder of the block store (default: in the user's cache folder)");
}

export function addStoreKeyOption(command: Command): Command {
  return command.option(
    '--store-key <file>',
    'file with the key (64 hex digits or base64) that blocks are encrypted with',
  );
}

export function addSharedOption(command: Command): Command {
  return command.option(
    '--shared <url>',
    'redis://host:port or s3+https://host/bucket shared by machines; may be repeated',
    repeated,
  );
}

/** Collects an option that may be given several times. */
export function repeated(text: string, before: readonly string[] = []): string[] {
  return [...before, text];
}
