/** `ask`: one question over passages, answered as it is generated. */
import type { Command } from 'commander';
import type { AnswerResult } from '../engine/index.ts';
import { formatRepair } from '../engine/repair.ts';
import { BlockAttentionError } from '../errors.ts';
import { throwIfCancelled } from './errors.ts';
import { formatBytes, formatCount, formatMs, formatReduction } from './format.ts';
import { type CommandContext, exitCodes } from './io.ts';
import { loadOpenEngine, loadOpenStore } from './lazy.ts';
import {
  addModelOptions,
  addModeOptions,
  addSamplingOptions,
  addStoreOptions,
  type ModeFlags,
  type ModelOptions,
  type SamplingFlags,
  type StoreFlags,
} from './model-options.ts';
import { Output } from './output.ts';
import { textOf } from './text-file.ts';

interface AskOptions extends ModelOptions, ModeFlags, SamplingFlags, StoreFlags {
  readonly passages: string;
  readonly system?: string;
  readonly tenant?: string;
  readonly json?: boolean;
}

export function addAsk(program: Command, context: CommandContext): void {
  const command = program
    .command('ask')
    .description('answer a question over passages')
    .argument('<question>', 'the question')
    .requiredOption(
      '--passages <source>',
      'JSONL file of {id?, title?, text}, folder of .txt and .md files, or - for stdin',
    )
    .option('--system <text>', "instruction in place of the template's own")
    .option('--tenant <salt>', 'share stored blocks only with requests of the same salt')
    .option('--json', 'result as one line of JSON');
  addSamplingOptions(addModeOptions(addStoreOptions(addModelOptions(command))));
  command.action(async (question: string, options: AskOptions) => {
    // What is wrong shows before a model is loaded.
    if (question.trim() === '') throw new BlockAttentionError('EMPTY_QUESTION', 'the question is empty: ask something');
    await ask(question, options, context);
  });
}

async function ask(question: string, options: AskOptions, context: CommandContext): Promise<void> {
  const { io } = context;
  const output = new Output(io, options);
  const { openEngine, passagesOf } = await loadOpenEngine();
  const { openStore } = await loadOpenStore();
  const grammar = options.grammar === undefined ? undefined : await textOf('--grammar', options.grammar);
  const passages = await passagesOf(options.passages, { io, output });
  // Full attention uses no blocks.
  const store = await openStore(options.mode === 'full' ? { store: false } : options, io.env, output);
  await using opened = await openEngine(options, { io, output, store });
  throwIfCancelled(io.signal);
  const { passages: _, mode, repair, system, tenant, maxTokens, stop, ...sampling } = options;
  output.progress.show({ label: `reading ${formatCount(passages.length)} passages and the question` });
  const stream = opened.engine.answer({
    ...sampling,
    grammar,
    mode,
    repair,
    system,
    tenant,
    maxTokens,
    stop,
    passages,
    question,
    signal: io.signal,
  });
  for await (const piece of stream) output.stream(piece);
  const result = await stream.result;
  if (result.text !== '') output.stream('\n');
  if (!output.json) for (const line of account(result)) output.note(line);
  if (result.stopReason === 'aborted') context.exitCode = exitCodes.cancelled;
  const { engine, model, loadMs } = opened;
  const { text: answer, ...rest } = result;
  output.result({
    answer,
    ...rest,
    model: { name: model.name, path: model.path, architecture: engine.model.architecture },
    kvType: engine.kvType,
    attention: engine.attention,
    threads: engine.threads,
    loadMs,
  });
}

/** What an answer cost, in two or three lines. */
function account(result: AnswerResult): string[] {
  const { mode, reason, repair, ttftMs, tokens, timings, blocks, flops, stopReason } = result;
  const speed = timings.decodeTokensPerSecond;
  const lines = [
    ...(reason === null ? [] : [`${mode}, since ${reason}`]),
    `${mode}: first token after ${formatMs(ttftMs)}, ` +
      `${formatCount(tokens.context)} + ${formatCount(tokens.question)} tokens read, ${formatCount(tokens.answer)} written` +
      (speed > 0 ? ` at ${speed.toFixed(speed < 10 ? 1 : 0)}/s` : ''),
  ];
  if (repair !== null) {
    lines.push(
      `repair ${formatRepair(repair.repair)}: ${formatCount(repair.tokens)} tokens recomputed in ${formatMs(repair.ms)}`,
    );
  }
  if (blocks.length > 0) {
    const hits = blocks.filter(({ status }) => status === 'hit');
    const reused = hits.reduce((sum, { bytes }) => sum + bytes, 0);
    lines.push(
      `blocks: ${hits.length} hit, ${blocks.length - hits.length} missed, ${formatBytes(reused)} reused, ` +
        `operations to the first token ${formatReduction(flops.spent, flops.full)} against full attention`,
    );
  }
  const ends = { length: 'the answer reached --max-tokens', aborted: 'cancelled' } as const;
  if (stopReason === 'length' || stopReason === 'aborted') lines.push(ends[stopReason]);
  return lines;
}
