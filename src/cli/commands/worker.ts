/** `worker`: encodes what is queued into the shared store, until a signal ends it. */
import { hostname } from 'node:os';
import type { Command } from 'commander';
import { loadOpenEngine, loadOpenStore, loadQueue } from '../lazy.ts';
import {
  addEncodingOption,
  addModelOptions,
  addSharedOption,
  addStoreKeyOption,
  type EncodingFlags,
  type ModelOptions,
  type StoreFlags,
} from '../options/model-options.ts';
import { durationOption } from '../options/numbers.ts';
import { addQueueOptions, type QueueFlags } from '../options/queue-options.ts';
import { invalid } from '../terminal/errors.ts';
import { counted, formatCount, formatMs } from '../terminal/format.ts';
import type { CommandContext } from '../terminal/io.ts';
import { Output } from '../terminal/output.ts';

interface WorkerFlags extends ModelOptions, QueueFlags, EncodingFlags, Pick<StoreFlags, 'shared' | 'storeKey' | 'ttl'> {
  readonly name?: string;
  readonly untilEmpty?: boolean;
  readonly takeover?: number;
  readonly json?: boolean;
}

export function addWorker(program: Command, context: CommandContext): void {
  const command = program
    .command('worker')
    .description('encode what `enqueue` queues, into a store that machines share')
    .option('--name <text>', 'name in reports (default: host and process)')
    .option('--until-empty', 'exit when no job waits or runs')
    .option(
      '--takeover <time>',
      'time without a heartbeat after which other workers take its jobs (default: 30s)',
      durationOption('--takeover'),
    )
    .option('--ttl <time>', 'lifetime of blocks on the shared server, e.g. 30d (default: 7d)', durationOption('--ttl'))
    .option('--json', 'result as one line of JSON');
  addQueueOptions(command);
  addSharedOption(addStoreKeyOption(addModelOptions(addEncodingOption(command))));
  command.action((flags: WorkerFlags) => work(flags, context));
}

async function work(flags: WorkerFlags, { io }: CommandContext): Promise<void> {
  const shared = flags.shared ?? [];
  if (shared.length === 0) throw invalid('--shared is missing: name the server that blocks are written to');
  const output = new Output(io, flags);
  const { openEngine } = await loadOpenEngine();
  const { openWorkerStore } = await loadOpenStore();
  const { runWorker } = await loadQueue();
  const name = flags.name ?? `${hostname()}-${process.pid}`;
  const store = await openWorkerStore(flags, output);
  await using opened = await openEngine(flags, { io, output, store, more: { policy: flags.policy } });
  output.note(`worker ${name} takes jobs for ${opened.model.name}`);
  const summary = await runWorker({
    engine: opened.engine,
    queue: { url: flags.queue, name: flags.queueName },
    name,
    takeoverMs: flags.takeover,
    untilEmpty: flags.untilEmpty,
    signal: io.signal,
    onJob: (report) => {
      if (report.status === 'failed') {
        output.note(`job ${report.job} failed${report.final ? '' : ', will be tried again'}: ${report.reason}`);
        return;
      }
      const { encoded, present, ms } = report.result;
      output.note(
        `job ${report.job}: ${counted(encoded, 'block')} encoded, ${formatCount(present)} were there already, ${formatMs(ms)}`,
      );
    },
    onTrouble: (message) => output.note(`warning: queue: ${message}`),
  });
  const { jobs, failed, encoded, present, ms } = summary;
  output.print(
    `${counted(jobs, 'job')}, ${counted(encoded, 'block')} encoded, ${formatCount(present)} were there already, in ${formatMs(ms)}`,
  );
  if (failed > 0) output.print(`${counted(failed, 'job')} failed: enqueue names the reasons`);
  output.result({ worker: name, ...summary });
}
