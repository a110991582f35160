/** `mcp`: the index and the answers from it as tools of the Model Context Protocol, over standard input and output. */
import type { Command } from 'commander';
import { loadMcpServer } from '../lazy.ts';
import {
  addReadingOptions,
  addRetrievalOptions,
  modelOfIndex,
  type ReadingFlags,
  type RetrievalFlags,
} from '../options/index-options.ts';
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

export interface McpFlags extends ModelOptions, ModeFlags, StoreFlags, RetrievalFlags, ReadingFlags {
  readonly maxTokens?: number;
}

export function addMcp(program: Command, context: CommandContext): void {
  const command = program
    .command('mcp')
    .description('serve the index to programs that speak the Model Context Protocol, over standard input and output')
    .option(
      '--max-tokens <n>',
      'maximum tokens of the answer (default: 200)',
      numberOption('--max-tokens', { min: 1, whole: true }),
    );
  addModeOptions(addStoreOptions(addModelOptions(addReadingOptions(addRetrievalOptions(command)), modelOfIndex)));
  command.action(async (flags: McpFlags) => {
    const { serveMcp } = await loadMcpServer();
    await serveMcp(flags, context.io);
  });
}
