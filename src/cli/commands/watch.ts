/** `watch`: keeps a folder's documents indexed and encoded while they change. */
import type { Command } from 'commander';
import { loadRag } from '../lazy.ts';
import { openDocuments } from '../options/index-options.ts';
import type { CliIo, CommandContext } from '../terminal/io.ts';
import { Output } from '../terminal/output.ts';
import {
  addFolderOptions,
  complaints,
  describe,
  type IndexFolderFlags,
  openModel,
  showProgress,
} from './index-folder.ts';

export function addWatch(program: Command, context: CommandContext): void {
  const command = program
    .command('watch')
    .description('index a folder, and again on every change in it, until interrupted')
    .argument('<folder>', 'the folder');
  addFolderOptions(command).action((folder: string, flags: IndexFolderFlags) => watch(folder, flags, context.io));
}

async function watch(folder: string, flags: IndexFolderFlags, io: CliIo): Promise<void> {
  const output = new Output(io, flags);
  const { watchFolder } = await loadRag();
  await using opened = await openDocuments(flags, { io, output, create: true });
  const { index } = opened;
  await using model = await openModel(flags, index, { io, output });
  let runs = 0;
  await watchFolder(index, folder, {
    ...model.options,
    signal: io.signal,
    onProgress: (progress) => showProgress(output, progress),
    onUpdate: (summary) => {
      runs += 1;
      for (const line of describe(summary, index.directory)) output.print(line);
      for (const line of complaints(summary)) output.note(line);
      if (runs === 1) output.note('watching; Ctrl-C ends it');
    },
    onError: (error) => output.note(`warning: ${error instanceof Error ? error.message : String(error)}`),
  });
  output.result({ index: index.directory, runs });
}
