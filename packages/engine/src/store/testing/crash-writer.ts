/**
 * A process that writes blocks to a folder until it is killed: `node --import tsx crash-writer.ts DIR FROM`.
 * Prints a line per block that is safely written.
 */
import { writeSync } from 'node:fs';
import { nativeMemory } from '../block/memory-source.ts';
import { DiskTier } from '../disk/disk-tier.ts';
import { Warnings } from '../warnings.ts';
import { block, fill } from './blocks.ts';

export const crashBlockBytes = 400_000;

const [directory, from] = process.argv.slice(2);
if (directory !== undefined && from !== undefined) {
  const unlimited = Number.POSITIVE_INFINITY;
  const tier = new DiskTier({
    directory,
    budgetBytes: unlimited,
    tenantQuotaBytes: unlimited,
    ttlMs: unlimited,
    memory: nativeMemory,
    warnings: new Warnings(({ message }) => process.exit(message.length > 0 ? 3 : 4)),
    retryMs: 1,
  });
  await tier.open();
  const save = async (id: number) => {
    const payload = Buffer.alloc(crashBlockBytes);
    fill(payload, id);
    if (await tier.save({ request: block(id, crashBlockBytes), payload, encodeMs: 1, tenant: '' })) {
      writeSync(1, `${id}\n`);
    }
  };
  // Several at a time: whenever the process is killed, some file is being written.
  let next = Number(from);
  const lane = async () => {
    for (;;) await save(next++);
  };
  await Promise.all([lane(), lane(), lane(), lane()]);
}
