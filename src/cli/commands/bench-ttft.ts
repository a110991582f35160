/** `bench ttft`: time to first token, block mode against full attention. */

import { writeFile } from 'node:fs/promises';
import type { TtftReport, TtftRow } from '@block-attention/engine/eval';
import { cacheFolder } from '@block-attention/engine/internal/platform';
import { type Command, Option } from 'commander';
import { embeddedModel } from '../../hub/aliases.ts';
import { addComputeOptions, type ModelOptions, modelReferenceHelp } from '../options/model-options.ts';
import { listOption, numberOption } from '../options/numbers.ts';
import { formatDuration } from '../terminal/format.ts';
import type { CommandContext } from '../terminal/io.ts';
import { Output } from '../terminal/output.ts';
import { checkWritable } from '../terminal/svg-file.ts';
import { ttftFooter, ttftHeader, ttftLine } from '../terminal/ttft-card.ts';
import { showPull } from './pull.ts';

interface TtftFlags extends Omit<ModelOptions, 'context' | 'template'> {
  readonly lengths: readonly number[];
  readonly questionTokens: number;
  readonly blockTokens: number;
  readonly runs: number;
  readonly maxFullTokens?: number;
  readonly reference: 'llama.cpp' | 'none';
  readonly svg?: string;
  readonly json?: boolean;
}

export function addBench(program: Command, context: CommandContext): void {
  const bench = program.command('bench').description('measure the model on this machine').helpCommand(false);
  const count = (flag: string, help: string, value?: number) => {
    const option = new Option(`${flag} <n>`, help).argParser(numberOption(flag, { min: 1, whole: true }));
    return value === undefined ? option : option.default(value);
  };
  const command = bench
    .command('ttft')
    .description('measure time to first token with all passages cached, against full prefill of the same prompt')
    .option('--model <ref>', modelReferenceHelp, embeddedModel)
    .addOption(
      new Option('--lengths <list>', 'lengths of whole prompts, in tokens')
        .argParser(listOption('--lengths'))
        .default([50, 512, 1024, 2048, 4096], '50,512,1024,2048,4096'),
    )
    .addOption(count('--question-tokens', 'tokens of the final block', 50))
    .addOption(count('--block-tokens', 'maximum tokens of a passage block', 512))
    .addOption(count('--runs', 'measurements per length; the median counts', 5))
    .addOption(count('--max-full-tokens', 'do not measure full attention beyond this length'))
    .addOption(
      new Option('--reference <name>', 'reference to measure beside full attention in this engine')
        .choices(['llama.cpp', 'none'])
        .default('llama.cpp'),
    )
    .option('--svg <file>', 'draw the curves')
    .option('--json', 'result as one line of JSON');
  addComputeOptions(command).action((flags: TtftFlags) => run(flags, context));
}

async function run(flags: TtftFlags, { io }: CommandContext): Promise<void> {
  const output = new Output(io, flags);
  // A bench of minutes must not fail at its end.
  if (flags.svg !== undefined) await checkWritable(flags.svg);
  const [{ benchTtft, ttftChart }, { resolveModel }] = await Promise.all([
    import('../../eval/index.ts'),
    import('../../hub/index.ts'),
  ]);
  const { model: reference = embeddedModel, svg, json: _, ...rest } = flags;
  const onProgress = (progress: Parameters<typeof showPull>[1]) => showPull(output, progress);
  const model = await resolveModel(reference, { env: io.env, signal: io.signal, onProgress });
  output.progress.clear();
  const rows: TtftRow[] = [];
  let report: TtftReport;
  try {
    report = await benchTtft({
      ...rest,
      modelPath: model.path,
      cacheDir: cacheFolder(io.env),
      signal: io.signal,
      onProgress: (step, expectedMs) => {
        const detail =
          expectedMs !== undefined && expectedMs > 2000 ? `about ${formatDuration(expectedMs)} each` : undefined;
        output.progress.show({ label: step, detail });
      },
      onRow: (row) => {
        if (rows.length === 0) for (const line of ttftHeader()) output.print(line);
        rows.push(row);
        output.print(ttftLine(row));
      },
    });
  } finally {
    output.progress.clear();
  }
  for (const line of ttftFooter(report, model.name)) output.print(line);
  if (svg !== undefined) {
    await writeFile(svg, await ttftChart(report, { modelName: model.name }));
    output.note(`curves drawn in ${svg}`);
  }
  output.result({ ...report, model: { ...report.model, name: model.name } });
}
