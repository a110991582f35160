/** `enqueue`: hands a corpus to the workers, and follows it to its end. */

import { type ContextPolicy, parsePolicy, seesNeighbour } from '@block-attention/engine/internal/policy';
import type { Passage } from '@block-attention/engine/internal/prompt';
import { type Command, Option } from 'commander';
import type { EnqueueSummary } from '../../queue/index.ts';
import { loadOpenEngine, loadQueue, loadRag } from '../lazy.ts';
import { numberOption } from '../options/numbers.ts';
import { addQueueOptions, type QueueFlags } from '../options/queue-options.ts';
import { invalid } from '../terminal/errors.ts';
import { counted, formatBytes, formatCount, formatMs } from '../terminal/format.ts';
import type { CliIo, CommandContext } from '../terminal/io.ts';
import { Output } from '../terminal/output.ts';

interface EnqueueFlags extends QueueFlags {
  readonly passages?: string;
  readonly index?: string;
  readonly tenant?: string;
  readonly policy?: ContextPolicy;
  readonly batch?: number;
  readonly window?: number;
  readonly wait: boolean;
  readonly json?: boolean;
}

const shownFailures = 20;

export function addEnqueue(program: Command, context: CommandContext): void {
  const whole = (flag: string) => numberOption(flag, { min: 1, whole: true });
  const command = program
    .command('enqueue')
    .description('queue a corpus for the workers, and follow it until it is done')
    .option('--passages <source>', 'JSONL file of {id?, title?, text}, folder of .txt and .md files, or - for stdin')
    .option('--index <dir>', 'encode the chunks of a document index instead')
    .option('--tenant <salt>', 'share the blocks only with requests of the same salt')
    .addOption(
      new Option('--policy <policy>', "how passages are encoded (default: as the workers' --policy says)").argParser(
        parsePolicy,
      ),
    )
    .option('--batch <n>', 'passages of one job (default: 16)', whole('--batch'))
    .option('--window <n>', 'jobs in the queue at a time (default: 512)', whole('--window'))
    .option('--no-wait', 'queue everything at once and do not follow it')
    .option('--json', 'result as one line of JSON');
  addQueueOptions(command).action((flags: EnqueueFlags) => enqueue(flags, context));
}

async function enqueue(flags: EnqueueFlags, context: CommandContext): Promise<void> {
  const { io } = context;
  if ((flags.passages === undefined) === (flags.index === undefined)) {
    throw invalid('give what to encode: either --passages or --index');
  }
  const output = new Output(io, flags);
  const { enqueuePassages } = await loadQueue();
  const corpus = await openCorpus(flags, io, output);
  try {
    const summary = await enqueuePassages(corpus.passages, {
      queue: { url: flags.queue, name: flags.queueName },
      tenant: flags.tenant,
      policy: flags.policy?.name,
      batch: flags.batch,
      window: flags.window,
      wait: flags.wait,
      signal: io.signal,
      onProgress: ({ queued, done, encoded, failedJobs }) => {
        const failed = failedJobs > 0 ? `, ${counted(failedJobs, 'job')} failed` : '';
        const detail = `${formatCount(done)} of ${formatCount(corpus.total ?? queued)} passages, ${counted(encoded, 'block')} encoded${failed}`;
        output.progress.show({ label: 'encoding', done, total: corpus.total ?? queued, detail });
      },
    });
    tell(summary, flags, output);
    output.result(summary);
    if (summary.failed.length > 0) context.exitCode = 1;
  } finally {
    await corpus.close();
  }
}

interface Corpus {
  readonly passages: Iterable<Passage> | AsyncIterable<Passage>;
  readonly total?: number;
  close(): Promise<void>;
}

async function openCorpus({ passages, index, policy }: EnqueueFlags, io: CliIo, output: Output): Promise<Corpus> {
  const behind = policy !== undefined && seesNeighbour(policy);
  if (index !== undefined) {
    const { openIndex, passageOf } = await loadRag();
    const opened = await openIndex({ directory: index });
    async function* all() {
      for await (const chunk of opened.chunks()) {
        const { previous, ...passage } = passageOf(chunk);
        // It makes a job twice as large: only for a policy that asks for it.
        yield behind && previous !== undefined ? { ...passage, previous } : passage;
      }
    }
    return { passages: all(), close: () => opened.close() };
  }
  const { passagesOf } = await loadOpenEngine();
  const list = await passagesOf(passages ?? '-', { io, output });
  return { passages: list, total: list.length, close: async () => {} };
}

function tell(summary: EnqueueSummary, { wait }: EnqueueFlags, output: Output): void {
  const { passages, jobs, encoded, present, bytes, ms, workers, failed } = summary;
  if (!wait) {
    output.print(`${counted(passages, 'passage')} queued in ${counted(jobs, 'job')}`);
    return;
  }
  output.print(
    `${counted(encoded, 'block')} encoded by ${counted(workers.length, 'worker')}, ${formatCount(present)} were there already, in ${formatMs(ms)}`,
  );
  output.print(`${counted(passages, 'passage')} in ${counted(jobs, 'job')}, ${formatBytes(bytes)} written`);
  if (failed.length === 0) return;
  output.print(`${counted(failed.length, 'job')} failed:`);
  for (const { job, reason } of failed.slice(0, shownFailures)) output.print(`  ${job}: ${reason}`);
  if (failed.length > shownFailures) output.print(`  and ${formatCount(failed.length - shownFailures)} more`);
}
