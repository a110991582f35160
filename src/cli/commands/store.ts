/** `store`: looking after the folder that blocks are kept in. */
import { type Command, Option } from 'commander';
import { loadOpenStore } from '../lazy.ts';
import { addFolderOption, addSharedOption, addStoreKeyOption, type StoreFlags } from '../options/model-options.ts';
import { bytesOption, durationOption } from '../options/numbers.ts';
import { folderOf, onFile, resolveKeys, wholeDigest } from '../options/store-names.ts';
import { invalid } from '../terminal/errors.ts';
import { counted, formatBytes, formatCount, formatDuration, formatTable } from '../terminal/format.ts';
import { type CommandContext, exitCodes } from '../terminal/io.ts';
import { Output } from '../terminal/output.ts';

interface FolderFlags extends Pick<StoreFlags, 'storeKey' | 'shared'> {
  readonly store?: string;
  readonly json?: boolean;
}

export function addStore(program: Command, context: CommandContext): void {
  const store = program.command('store').description('manage stored blocks').helpCommand(false);
  const add = (usage: string, description: string) =>
    addFolderOption(store.command(usage).description(description)).option('--json', 'result as one line of JSON');
  add('ls', 'list blocks, the last used first').action((flags: FolderFlags) => list(flags, context));
  add('stats', 'count blocks, bytes and tokens').action((flags: FolderFlags) => stats(flags, context));
  addStoreKeyOption(add('verify', 'read and check every block; exit code 1 if any is corrupt'))
    .option('--remove', 'delete corrupt blocks')
    .action((flags: VerifyFlags) => verify(flags, context));
  add('gc', 'delete blocks that are expired or over the limit, and files that crashed writers left')
    .addOption(new Option('--disk <bytes>', 'shrink the folder to this, e.g. 10GiB').argParser(bytesOption('--disk')))
    .addOption(new Option('--ttl <time>', 'delete what is older, e.g. 30d').argParser(durationOption('--ttl')))
    .action((flags: CleanFlags) => clean(flags, context));
  addSharedOption(add('forget [key...]', 'delete blocks from every tier, by key or by what they belong to'))
    .option('--digest <model>', 'all blocks of the model with this digest (see `store stats`)')
    .option('--tenant <salt>', 'all blocks of this tenant')
    .action((keys: string[], flags: ForgetFlags) => forget(keys, flags, context));
  add('pin <key...>', 'exempt blocks from eviction and expiry')
    .option('--off', 'end that')
    .action((keys: string[], flags: PinFlags) => pin(keys, flags, context));
  add('export <file>', 'write all blocks to a new archive').action((file: string, flags: FolderFlags) =>
    exportBlocks(file, flags, context),
  );
  addStoreKeyOption(add('import <file>', 'add the blocks of an archive')).action((file: string, flags: FolderFlags) =>
    importBlocks(file, flags, context),
  );
}

/** Digits of a key that people see: enough to be unique, few enough to type. */
const shortKey = 16;

async function list(flags: FolderFlags, { io }: CommandContext): Promise<void> {
  const output = new Output(io, flags);
  const { listStore } = await import('@block-attention/engine/internal/store');
  const blocks = [];
  for await (const info of listStore(await folderOf(flags, io.env))) blocks.push(info);
  blocks.sort((a, b) => b.usedAtMs - a.usedAtMs);
  const rows = blocks.map(({ key, tokens, encoding, fileBytes, usedAtMs, pinned, sealed }) => [
    key.slice(0, shortKey),
    tokens === undefined ? 'unreadable' : `${counted(tokens, 'token')}`,
    encoding === '' ? 'plain' : (encoding ?? ''),
    formatBytes(fileBytes),
    `used ${formatDuration(Math.max(0, Date.now() - usedAtMs))} ago`,
    [pinned && 'pinned', sealed && 'encrypted'].filter(Boolean).join(', '),
  ]);
  // A program that has the list as JSON has no use for thousands of lines of it.
  if (!output.json) for (const line of formatTable(rows, { left: 1 })) output.print(line);
  if (rows.length === 0) output.print('no blocks');
  output.result({ blocks });
}

async function stats(flags: FolderFlags, { io }: CommandContext): Promise<void> {
  const output = new Output(io, flags);
  const { folderStats } = await import('@block-attention/engine/internal/store');
  const folder = await folderOf(flags, io.env);
  const found = await folderStats(folder);
  output.print(output.bold(folder));
  output.print(`  ${counted(found.blocks, 'block')}, ${counted(found.tokens, 'token')}, ${formatBytes(found.bytes)}`);
  output.print(`  ${formatDuration(found.encodeMs)} of encoding kept`);
  if (found.pinned + found.sealed + found.unreadable > 0) {
    output.print(`  ${found.pinned} pinned, ${found.sealed} encrypted, ${found.unreadable} unreadable`);
  }
  for (const [model, { blocks, bytes }] of Object.entries(found.models)) {
    output.print(`  model ${model.slice(0, shortKey)}  ${counted(blocks, 'block')}  ${formatBytes(bytes)}`);
  }
  output.result({ folder, ...found });
}

interface VerifyFlags extends FolderFlags {
  readonly remove?: boolean;
}

async function verify(flags: VerifyFlags, context: CommandContext): Promise<void> {
  const { io } = context;
  const output = new Output(io, flags);
  const { verifyFolder } = await import('@block-attention/engine/internal/store');
  const { storeKeyOf } = await loadOpenStore();
  const report = await verifyFolder(await folderOf(flags, io.env), {
    storeKey: await storeKeyOf(flags),
    remove: flags.remove,
    onProgress: (blocks) => output.progress.show({ label: 'checking', detail: `${counted(blocks, 'block')}` }),
  });
  for (const { path, reason } of report.problems) output.print(`${reason}  ${path}`);
  const unchecked =
    report.unchecked === 0 ? '' : `, ${formatCount(report.unchecked)} encrypted and not checked: give --store-key`;
  const removed = flags.remove && report.corrupt > 0 ? ' and removed' : '';
  output.print(`${counted(report.blocks, 'block')}, ${formatCount(report.corrupt)} corrupt${removed}${unchecked}`);
  output.result(report);
  if (report.corrupt > 0) context.exitCode = exitCodes.failure;
}

interface CleanFlags extends FolderFlags {
  readonly disk?: number;
  readonly ttl?: number;
}

async function clean(flags: CleanFlags, { io }: CommandContext): Promise<void> {
  const output = new Output(io, flags);
  const { cleanFolder } = await import('@block-attention/engine/internal/store');
  const report = await cleanFolder(await folderOf(flags, io.env), { diskBytes: flags.disk, ttlMs: flags.ttl });
  output.print(
    `${counted(report.removed, 'block')} removed (${formatBytes(report.removedBytes)}), ` +
      `${counted(report.temporary, 'left-over file')}; ${counted(report.blocks, 'block')} left (${formatBytes(report.bytes)})`,
  );
  output.result(report);
}

interface ForgetFlags extends FolderFlags {
  readonly digest?: string;
  readonly tenant?: string;
}

async function forget(keys: readonly string[], flags: ForgetFlags, { io }: CommandContext): Promise<void> {
  const output = new Output(io, flags);
  const { digest, tenant, shared } = flags;
  if (keys.length === 0 && digest === undefined && tenant === undefined) {
    throw invalid('forget: nothing is named; give keys, --digest or --tenant');
  }
  const { findBlocks, forgetBlocks } = await import('@block-attention/engine/internal/store');
  const directory = await folderOf(flags, io.env);
  const found = await resolveKeys(keys, directory);
  if (digest !== undefined || tenant !== undefined) {
    found.push(...(await findBlocks(directory, { model: await wholeDigest(digest, directory), tenant })));
  }
  const onWarning = ({ message }: { message: string }) => output.note(`warning: ${message}`);
  const removed = await forgetBlocks({ directory, shared, onWarning }, found);
  output.print(`${counted(removed, 'block')} forgotten`);
  output.result({ removed });
}

interface PinFlags extends FolderFlags {
  readonly off?: boolean;
}

async function pin(keys: readonly string[], flags: PinFlags, { io }: CommandContext): Promise<void> {
  const output = new Output(io, flags);
  const { pinBlocks } = await import('@block-attention/engine/internal/store');
  const directory = await folderOf(flags, io.env);
  const pinned = !flags.off;
  const blocks = await pinBlocks(directory, await resolveKeys(keys, directory), pinned);
  output.print(`${counted(blocks, 'block')} ${pinned ? 'pinned' : 'no longer pinned'}`);
  output.result({ blocks, pinned });
}

async function exportBlocks(file: string, flags: FolderFlags, { io }: CommandContext): Promise<void> {
  const output = new Output(io, flags);
  const { exportFolder } = await import('@block-attention/engine/internal/store');
  const directory = await folderOf(flags, io.env);
  const report = await onFile(file, () => exportFolder(directory, file));
  output.print(`${counted(report.blocks, 'block')} (${formatBytes(report.bytes)}) written to ${file}`);
  output.result({ file, ...report });
}

async function importBlocks(file: string, flags: FolderFlags, { io }: CommandContext): Promise<void> {
  const output = new Output(io, flags);
  const { checkFolder, importArchive } = await import('@block-attention/engine/internal/store');
  const { storeFolder, storeKeyOf } = await loadOpenStore();
  const directory = storeFolder(flags, io.env) ?? '';
  await checkFolder(directory, true);
  const storeKey = await storeKeyOf(flags);
  const report = await onFile(file, () => importArchive(directory, file, { storeKey }));
  const { imported, present, refused } = report;
  output.print(
    `${counted(imported, 'block')} added, ${formatCount(present)} were there already, ${formatCount(refused)} refused`,
  );
  output.result(report);
}
