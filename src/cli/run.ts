/**
 * The command line as a function: arguments in, exit code out. Never throws, never exits the process.
 */

import { packageVersion } from '@block-attention/engine/internal/base';
import { Command } from 'commander';
import { loadCommands } from './commands.ts';
import { reportError } from './terminal/errors.ts';
import type { CliIo, CommandContext } from './terminal/io.ts';

/** Runs one command. @param argv arguments without node and script */
export async function runCli(argv: readonly string[], io: CliIo): Promise<number> {
  const context: CommandContext = { io, exitCode: 0 };
  const options = argv.slice(0, argv.includes('--') ? argv.indexOf('--') : undefined);
  try {
    const program = await buildProgram(context, argv);
    await program.parseAsync(argv, { from: 'user' });
    return context.exitCode;
  } catch (error) {
    return reportError(error, io, { json: options.includes('--json') });
  }
}

async function buildProgram(context: CommandContext, argv: readonly string[]): Promise<Command> {
  const { io } = context;
  const program = new Command('block-attention')
    .description('Answers questions over passages whose attention states are computed once and reused.')
    .version(packageVersion(), '--version', 'print the version')
    .helpOption('--help', 'print help')
    .helpCommand(false)
    .exitOverride()
    .configureOutput({
      writeOut: (text) => io.stdout.write(text),
      writeErr: (text) => io.stderr.write(text),
      // Errors are reported in one place: see errors.ts.
      outputError: () => {},
      getOutHelpWidth: () => io.stdout.columns ?? 80,
      getErrHelpWidth: () => io.stderr.columns ?? 80,
    })
    .addHelpText('after', examples);
  for (const add of await loadCommands(argv)) add(program, context);
  return program;
}

const examples = `
Examples:
  $ block-attention pull smollm2-135m
  $ block-attention index ./docs --model smollm2-135m
  $ block-attention ask "How do I rotate the keys?"
  $ block-attention ask --model smollm2-135m --passages passages.jsonl "When was the bridge opened?"
  $ block-attention bench ttft --model smollm2-135m --lengths 50,512,1024,2048 --svg ttft.svg

With --json on any command the last line of stdout is one JSON object; logs go to stderr.
Exit codes: 0 done, 1 failed, 2 wrong usage or input, 130 cancelled.`;
