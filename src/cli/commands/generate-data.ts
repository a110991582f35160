/** `data`: synthetic reading tasks, to train on and to evaluate with. */
import { writeFile } from 'node:fs/promises';
import { type Command, Option } from 'commander';
import type { DocumentTitles, ReadingTaskOptions, TaskSplit } from '../../tasks/index.ts';
import { numberOption } from '../options/numbers.ts';
import { invalid } from '../terminal/errors.ts';
import { counted, formatCount } from '../terminal/format.ts';
import type { CommandContext } from '../terminal/io.ts';
import { Output } from '../terminal/output.ts';

interface Flags {
  readonly count: number;
  readonly seed: number;
  readonly split: TaskSplit;
  readonly passages: number;
  readonly hops: '1' | '2' | 'both';
  readonly names: number;
  readonly documents?: boolean;
  readonly titles: DocumentTitles;
  readonly out: string;
  readonly json?: boolean;
}

const hopsOf = { '1': 1, '2': 2, both: 'both' } as const satisfies Record<Flags['hops'], ReadingTaskOptions['hops']>;

export function addData(program: Command, context: CommandContext): void {
  const count = (flag: string, help: string, value: number, min: number, max: number) =>
    new Option(`${flag} <n>`, help).argParser(numberOption(flag, { min, max, whole: true })).default(value);
  program
    .command('data')
    .description('write synthetic reading tasks about fictional people, places and works')
    .addOption(count('--count', 'tasks', 1000, 1, 10_000_000))
    .addOption(count('--seed', 'the same seed gives the same tasks', 1, 0, 2 ** 31))
    .addOption(
      new Option('--split <name>', 'splits share no entity').choices(['train', 'validation', 'test']).default('train'),
    )
    .addOption(count('--passages', 'passages per task', 10, 2, 20))
    .addOption(
      new Option('--hops <n>', 'passages needed for an answer (not with --documents)')
        .choices(['1', '2', 'both'])
        .default('both'),
    )
    .addOption(
      count(
        '--names',
        'maximum number of names of a kind: fewer make a smaller vocabulary (not with --documents)',
        64,
        4,
        64,
      ),
    )
    .option(
      '--documents',
      'chunks of documents, of which some go on without the name, instead of passages that stand alone',
    )
    .addOption(
      new Option('--titles <how>', "with --documents, named by: their subject's family, a place, or another's family")
        .choices(['family', 'place', 'other'] satisfies DocumentTitles[])
        .default('family'),
    )
    .requiredOption('--out <file>', 'JSONL file to write')
    .option('--json', 'result as one line of JSON')
    .action((flags: Flags) => run(flags, context));
}

async function run(flags: Flags, { io }: CommandContext): Promise<void> {
  const output = new Output(io, flags);
  const { generateDocumentTasks, generateReadingTasks, taskVocabulary } = await import('../../tasks/index.ts');
  const { hops, out, documents = false, json: _, ...rest } = flags;
  const tasks = documents ? generateDocumentTasks(rest) : generateReadingTasks({ ...rest, hops: hopsOf[hops] });
  try {
    await writeFile(out, tasks.map((task) => `${JSON.stringify(task)}\n`).join(''));
  } catch (error) {
    throw invalid(`--out cannot be written: ${error instanceof Error ? error.message : String(error)}`, error);
  }
  const words = taskVocabulary(tasks).size;
  output.print(`${counted(tasks.length, 'task')} written to ${out}, of ${formatCount(words)} different words`);
  output.result({ ...rest, documents, hops: hopsOf[hops], file: out, tasks: tasks.length, words });
}
