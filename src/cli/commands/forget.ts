/** `forget`: passages out of the store, with every copy of their states. */

import { type ContextPolicy, parsePolicy } from '@block-attention/engine/internal/policy';
import { type Command, Option } from 'commander';
import { loadOpenEngine, loadOpenStore } from '../lazy.ts';
import { addModelOptions, addStoreOptions, type ModelOptions, type StoreFlags } from '../options/model-options.ts';
import { invalid } from '../terminal/errors.ts';
import { counted, formatCount } from '../terminal/format.ts';
import type { CommandContext } from '../terminal/io.ts';
import { Output } from '../terminal/output.ts';

interface ForgetFlags extends ModelOptions, StoreFlags {
  readonly passages: string;
  readonly tenant?: string;
  readonly policy?: ContextPolicy;
  readonly json?: boolean;
}

export function addForget(program: Command, context: CommandContext): void {
  const command = program
    .command('forget')
    .description('remove the blocks of passages from every tier')
    .requiredOption('--passages <source>', 'the passages to forget: JSONL file, folder, or - for stdin')
    .option('--tenant <salt>', 'only the blocks of requests with this salt')
    .addOption(
      new Option('--policy <policy>', 'further policies that they may have been encoded under').argParser(parsePolicy),
    )
    .option('--json', 'result as one line of JSON');
  addStoreOptions(addModelOptions(command));
  command.action((options: ForgetFlags) => forget(options, context));
}

async function forget(options: ForgetFlags, { io }: CommandContext): Promise<void> {
  if (options.store === false) throw invalid('--no-store: there is nothing to forget without a store; leave it out');
  const output = new Output(io, options);
  const { openEngine, passagesOf } = await loadOpenEngine();
  const { openStore } = await loadOpenStore();
  const passages = await passagesOf(options.passages, { io, output });
  const store = await openStore(options, io.env, output);
  await using opened = await openEngine(options, { io, output, store });
  const removed = await opened.engine.forget(passages, { tenant: options.tenant, policy: options.policy });
  output.print(`${formatCount(removed)} of ${counted(passages.length, 'passage')} had a block, which is removed`);
  output.result({ passages: passages.length, removed });
}
