/** `serve`: the engine behind the OpenAI API, until a signal ends it. */
import type { Command } from 'commander';
import { addDocumentOptions, addRerankOption } from '../options/index-options.ts';
import { addModelOptions } from '../options/model-options.ts';
import { addServerOptions, type ServeFlags } from '../options/serve-options.ts';
import { applySettings, describeSettings } from '../options/settings.ts';
import { runServer } from '../runtime/run-server.ts';
import { servedIndex } from '../runtime/served-documents.ts';
import type { CommandContext } from '../terminal/io.ts';
import { Output } from '../terminal/output.ts';

export function addServe(program: Command, context: CommandContext): void {
  const command = program.command('serve').description('answer requests of the OpenAI API over HTTP');
  addServerOptions(command, 'info');
  const help = 'answer from this index, too, and keep it current: a name or a folder';
  addRerankOption(addDocumentOptions(addModelOptions(command), help));
  command.action(async () => {
    const filled = await settled(command, context);
    if (filled === undefined) return;
    const { index, model } = filled;
    const documents = index === undefined ? undefined : await servedIndex(index, [], context.io.env);
    // An index knows the model it was made for.
    await runServer({ ...filled, model: model ?? documents?.model }, context.io, { documents });
  });
}

/** The flags with what environment and file say; undefined when they were only to be printed. */
export async function settled(command: Command, { io }: CommandContext): Promise<ServeFlags | undefined> {
  const { config }: ServeFlags = command.opts();
  const settings = await applySettings(command, io.env, config);
  const filled: ServeFlags = command.opts();
  if (filled.check !== true) return filled;
  const output = new Output(io, filled);
  const rows = describeSettings(settings);
  for (const { name, value, source } of rows) output.print(`${name.padEnd(22)} ${source.padEnd(12)} ${value}`);
  output.result({ settings: rows });
  return undefined;
}
