/** `mcp`: the index and the answers from it as tools of the Model Context Protocol, over standard input and output. */
import type { Command } from 'commander';
import { loadMcpServer } from '../lazy.ts';
import { addRetrievalOptions, modelOfIndex, type RetrievalFlags } from '../options/index-options.ts';
import {
  addModelOptions,
  addModeOptions,
  addStoreOptions,
  type ModeFlags,
  type ModelOptions,
  type StoreFlags,
} from '../options/model-options.ts';
import { numberOption } from '../options/numbers.ts';
import type { CommandContext } from '../terminal/io.ts';

export interface McpFlags extends ModelOptions, ModeFlags, StoreFlags, RetrievalFlags {
  readonly minCoverage?: number;
  readonly maxTokens?: number;
}

export function addMcp(program: Command, context: CommandContext): void {
  const command = program
    .command('mcp')
    .description('serve the index to programs that speak the Model Context Protocol, over standard input and output')
    .option(
      '--min-coverage <share>',
      'minimum share of a question that the passages must cover; below it the model is not asked (default: 0.4)',
      numberOption('--min-coverage', { min: 0, max: 1 }),
    )
    .option(
      '--max-tokens <n>',
      'maximum tokens of the answer (default: 200)',
      numberOption('--max-tokens', { min: 1, whole: true }),
    );
  addModeOptions(addStoreOptions(addModelOptions(addRetrievalOptions(command), modelOfIndex)));
  command.action(async (flags: McpFlags) => {
    const { serveMcp } = await loadMcpServer();
    await serveMcp(flags, context.io);
  });
}
