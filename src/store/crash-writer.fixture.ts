/**
 * A process that writes blocks to a folder until it is killed: `node --import tsx crash-writer.fixture.ts DIR FROM`.
 * Prints a line per block that is safely written.
 */
import { writeSync } from 'node:fs';
import { DiskTier } from './disk-tier.ts';
import { nativeMemory } from './memory-source.ts';
import { block, fill } from './store.fixture.ts';
import { Warnings } from './warnings.ts';

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
  // Two at a time, as the store does; half of the blocks are written by the other process too.
  for (let id = Number(from); ; id += 2) await Promise.all([save(id), save(id + 1)]);
}
