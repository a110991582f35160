/** `up`: folders of documents, read, watched, encoded and answered from by one server, with a page to ask on. */
import type { Command } from 'commander';
import { addDocumentOptions, addRerankOption, modelOfIndex, modelReference } from '../options/index-options.ts';
import { addModelOptions } from '../options/model-options.ts';
import { addServerOptions } from '../options/serve-options.ts';
import { runServer } from '../runtime/run-server.ts';
import { checkFolders, servedIndex } from '../runtime/served-documents.ts';
import type { CommandContext } from '../terminal/io.ts';
import { settled } from './serve.ts';

export function addUp(program: Command, context: CommandContext): void {
  const command = program
    .command('up')
    .description(
      'answer questions about your folders on a page and over the OpenAI API; reads, watches and encodes them',
    )
    .argument('[folders...]', "folders of documents; NAME=FOLDER for one tenant's alone (default: those of the index)");
  addServerOptions(command, 'warn');
  addRerankOption(
    addDocumentOptions(
      addModelOptions(command, modelOfIndex),
      'a name, or a folder, of the index (default: index in the cache folder)',
    ),
  );
  command.action(async (folders: string[]) => {
    const filled = await settled(command, context);
    if (filled === undefined) return;
    await checkFolders(folders);
    const documents = await servedIndex(filled.index, folders, context.io.env);
    // Whoever names no port wants the page, wherever it is.
    const anyPort = command.getOptionValueSource('port') === 'default';
    await runServer({ ...filled, model: modelReference(filled.model, context.io.env, documents.model) }, context.io, {
      documents,
      anyPort,
    });
  });
}
