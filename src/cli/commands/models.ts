/** `models`: which models there are, by name and in the cache; and which architectures run. */
import type { Command } from 'commander';
import { listModels, modelAliases, modelsFolder } from '../../hub/index.ts';
import { formatBytes, formatTable } from '../terminal/format.ts';
import type { CommandContext } from '../terminal/io.ts';
import { Output } from '../terminal/output.ts';

export function addModels(program: Command, { io }: CommandContext): void {
  program
    .command('models')
    .description('list the aliases and the models in the cache, or the families that run')
    .option('--families', 'list the architectures of GGUF files that run, with what works')
    .option('--json', 'result as one line of JSON')
    .action(async (options: { families?: boolean; json?: boolean }) => {
      const output = new Output(io, options);
      if (options.families === true) return listFamilies(output);
      const cached = await listModels({ env: io.env });
      const aliases = Object.entries(modelAliases).map(([name, { summary, sources, file }]) => ({
        name,
        summary,
        sources,
        carried: file !== undefined,
        cached: cached.some(({ reference }) => sources.some((source) => sameReference(source, reference))),
      }));
      output.print(output.bold('Aliases'));
      const rows = aliases.map(({ name, summary, cached, carried }) => [
        `  ${name}`,
        carried ? 'here' : cached ? 'cached' : '',
        summary,
      ]);
      for (const line of formatTable(rows, { left: 3 })) output.print(line);
      output.print();
      output.print(output.bold(`Cache ${modelsFolder({ env: io.env })}`));
      if (cached.length === 0) output.print('  empty: fetch a model with `block-attention pull <alias>`');
      for (const model of cached) output.print(`  ${formatBytes(model.totalBytes).padStart(9)}  ${model.path}`);
      output.result({ aliases, models: cached, folder: modelsFolder({ env: io.env }) });
    });
}

async function listFamilies(output: Output): Promise<void> {
  const { familyAbilities } = await import('@block-attention/engine/internal/model');
  const families = familyAbilities();
  output.print(output.bold('Families'));
  const cell = (works: boolean) => (works ? 'yes' : 'no');
  const rows = families.map(({ architecture, models, full, block, train }) => [
    `  ${architecture}`,
    cell(full),
    cell(block),
    cell(train),
    models,
  ]);
  for (const line of formatTable([['  architecture', 'full', 'block', 'train', 'models'], ...rows], { left: 5 })) {
    output.print(line);
  }
  output.result({ families });
}

/** References compare without their checksum, which is only told by some. */
function sameReference(a: string, b: string): boolean {
  return a.replace(/#.*$/, '') === b.replace(/#.*$/, '');
}
