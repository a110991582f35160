/** `encode`: passages into the store, ahead of questions. */

import { BlockAttentionError } from '@block-attention/engine/internal/base';
import type { Command } from 'commander';
import { loadOpenEngine, loadOpenStore } from '../lazy.ts';
import {
  addEncodingOption,
  addModelOptions,
  addStoreOptions,
  type EncodingFlags,
  type ModelOptions,
  type StoreFlags,
} from '../options/model-options.ts';
import { invalid } from '../terminal/errors.ts';
import { counted, formatBytes, formatCount, formatMs } from '../terminal/format.ts';
import type { CommandContext } from '../terminal/io.ts';
import { Output } from '../terminal/output.ts';

interface EncodeFlags extends ModelOptions, StoreFlags, EncodingFlags {
  readonly passages: string;
  readonly tenant?: string;
  readonly json?: boolean;
}

export function addEncode(program: Command, context: CommandContext): void {
  const command = program
    .command('encode')
    .description('encode passages into the block store, so that questions find them there')
    .requiredOption(
      '--passages <source>',
      'JSONL file of {id?, title?, text}, folder of .txt and .md files, or - for stdin',
    )
    .option('--tenant <salt>', 'share stored blocks only with requests of the same salt')
    .option('--json', 'result as one line of JSON');
  addStoreOptions(addModelOptions(addEncodingOption(command)));
  command.action((options: EncodeFlags) => encode(options, context));
}

async function encode(options: EncodeFlags, { io }: CommandContext): Promise<void> {
  if (options.store === false)
    throw invalid('--no-store: what encode makes would be gone with the process; leave it out');
  const output = new Output(io, options);
  const { openEngine, passagesOf } = await loadOpenEngine();
  const { openStore, storeFolder } = await loadOpenStore();
  const passages = await passagesOf(options.passages, { io, output });
  const store = await openStore(options, io.env, output);
  await using opened = await openEngine(options, { io, output, store, more: { policy: options.policy } });
  let done = 0;
  try {
    const summary = await opened.engine.encode(passages, {
      signal: io.signal,
      tenant: options.tenant,
      onProgress: (finished, total) => {
        done = finished;
        const detail = `${formatCount(finished)} of ${formatCount(total)} passages`;
        output.progress.show({ label: 'encoding', done: finished, total, detail });
      },
    });
    output.progress.show({ label: 'writing to the store' });
    await opened.engine.store.flush();
    const { blocks, encoded, present, tokens, encodedTokens, bytes, ms } = summary;
    const folder = storeFolder(options, io.env);
    const tokensPerSecond = encodedTokens > 0 && ms > 0 ? (encodedTokens * 1000) / ms : null;
    const speed = tokensPerSecond === null ? '' : `, ${formatCount(tokensPerSecond)} tokens/s`;
    output.print(
      `${counted(encoded, 'block')} encoded, ${formatCount(present)} were there already, in ${formatMs(ms)}${speed}`,
    );
    output.print(`${counted(tokens, 'token')}, ${formatBytes(bytes)} of keys and values in ${folder}`);
    const failed = opened.engine.store.stats().tiers.reduce((sum, tier) => sum + tier.failedWrites, 0);
    if (failed > 0) output.note(`warning: ${counted(failed, 'block')} could not be written: lost with this process`);
    output.result({
      blocks,
      encoded,
      present,
      tokens,
      bytes,
      ms,
      tokensPerSecond,
      failedWrites: failed,
      store: folder,
    });
  } catch (error) {
    if (BlockAttentionError.isInstance(error) && error.code === 'ABORTED') {
      output.note(
        `${formatCount(done)} of ${formatCount(passages.length)} passages are in the store: the same command continues there`,
      );
    }
    throw error;
  }
}
