/** `pull`: models into the cache. */

import { throwIfAborted } from '@block-attention/engine/internal/base';
import type { Command } from 'commander';
import { type PullProgress, pullModel } from '../../hub/index.ts';
import { modelReferenceHelp } from '../options/model-options.ts';
import { formatBytes } from '../terminal/format.ts';
import type { CommandContext } from '../terminal/io.ts';
import { Output } from '../terminal/output.ts';

export function addPull(program: Command, { io }: CommandContext): void {
  program
    .command('pull')
    .description('fetch models into the cache; resumes downloads and checks them')
    .argument('<ref...>', modelReferenceHelp)
    .option('--json', 'result as one line of JSON')
    .action(async (references: string[], options: { json?: boolean }) => {
      const output = new Output(io, options);
      const models: object[] = [];
      for (const reference of references) {
        throwIfAborted(io.signal);
        const model = await pullModel(reference, {
          env: io.env,
          signal: io.signal,
          onProgress: (progress) => showPull(output, progress),
        });
        output.print(model.path);
        models.push({ reference, ...model });
      }
      output.result({ models });
    });
}

const words = { wait: 'waiting for another process', download: 'downloading', unpack: 'unpacking', verify: 'checking' };

export function showPull(output: Output, { phase, source, doneBytes, totalBytes }: PullProgress): void {
  const bytes =
    totalBytes === undefined ? formatBytes(doneBytes) : `${formatBytes(doneBytes)} of ${formatBytes(totalBytes)}`;
  output.progress.show({
    // Long references would push the figures off the line.
    label: `${words[phase]} ${source.replace(/[@#].*$/, '').slice(-32)}`,
    done: doneBytes,
    total: totalBytes,
    detail: bytes,
  });
}
