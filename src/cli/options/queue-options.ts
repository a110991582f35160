/** The options that name a job queue. */
import type { Command } from 'commander';

export interface QueueFlags {
  readonly queue: string;
  readonly queueName?: string;
}

export function addQueueOptions(command: Command): Command {
  return command
    .requiredOption('--queue <url>', 'redis://host:port of the job queue; commas between the nodes of a cluster')
    .option('--queue-name <name>', 'name of the queue (default: encode)');
}
