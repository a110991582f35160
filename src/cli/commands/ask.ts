/** `ask`: one question over passages, answered as it is generated. */

import { BlockAttentionError, throwIfAborted } from '@block-attention/engine/internal/base';
import type { AnswerResult } from '@block-attention/engine/internal/engine';
import type { Command } from 'commander';
import { loadAskSource, loadOpenEngine, loadOpenStore } from '../lazy.ts';
import type { SourceResult } from '../options/ask-source.ts';
import {
  addReadingOptions,
  addRetrievalOptions,
  modelOfIndex,
  modelReference,
  type ReadingFlags,
  type RetrievalFlags,
} from '../options/index-options.ts';
import {
  addModelOptions,
  addModeOptions,
  addSamplingOptions,
  addStoreOptions,
  type ModeFlags,
  type ModelOptions,
  policyOf,
  type SamplingFlags,
  type StoreFlags,
} from '../options/model-options.ts';
import { textOf } from '../options/text-file.ts';
import { readAhead } from '../runtime/read-ahead.ts';
import { invalid } from '../terminal/errors.ts';
import { counted, formatBytes, formatCount, formatMs, formatReduction } from '../terminal/format.ts';
import { type CliIo, type CommandContext, exitCodes, printableLine } from '../terminal/io.ts';
import { linesOf } from '../terminal/lines.ts';
import { Output } from '../terminal/output.ts';
import { incomplete, reportHit } from './search.ts';

export interface AskOptions extends ModelOptions, ModeFlags, SamplingFlags, StoreFlags, RetrievalFlags, ReadingFlags {
  readonly passages?: string;
  readonly state?: string;
  readonly chat?: boolean;
  readonly system?: string;
  readonly tenant?: string;
  readonly json?: boolean;
}

export function addAsk(program: Command, context: CommandContext): void {
  const command = program
    .command('ask')
    .description('answer a question from the indexed documents, from given passages, or from a JSON state')
    .argument('[question]', 'the question')
    .option(
      '--passages <source>',
      'JSONL file of {id?, title?, text}, folder of .txt and .md files, or - for stdin, instead of the index',
    )
    .option('--state <file>', 'JSON document whose objects and arrays become the passages, instead of the index')
    .option('--chat', 'read questions from standard input, a line each, as one conversation')
    .option('--system <text>', "instruction in place of the template's own")
    .option('--tenant <salt>', 'share stored blocks only with requests of the same salt')
    .option('--json', 'result as one line of JSON');
  addReadingOptions(addRetrievalOptions(command));
  addSamplingOptions(addModeOptions(addStoreOptions(addModelOptions(command, modelOfIndex))));
  command.action(async (question: string | undefined, options: AskOptions) => {
    // What is wrong shows before a model is loaded.
    if (options.passages !== undefined && options.state !== undefined)
      throw invalid('give --passages or --state, not both');
    if (options.chat === true && options.passages === '-')
      throw invalid('--chat reads questions from standard input: give --passages a file');
    if (options.chat !== true && (question ?? '').trim() === '') {
      throw new BlockAttentionError('EMPTY_QUESTION', 'the question is empty: ask something');
    }
    await ask(question, options, context);
  });
}

async function ask(question: string | undefined, options: AskOptions, context: CommandContext): Promise<void> {
  const { io } = context;
  const output = new Output(io, options);
  // Which model an index was made for is not known yet.
  const known = (options.model ?? options.passages ?? options.state) !== undefined;
  await using ahead = known
    ? await readAhead({ ...options, model: modelReference(options.model, io.env) }, io)
    : undefined;
  const { openSource } = await loadAskSource();
  const { openEngine } = await loadOpenEngine();
  const { openStore } = await loadOpenStore();
  const grammar = options.grammar === undefined ? undefined : await textOf('--grammar', options.grammar);
  await using source = await openSource(options, { io, output });
  // Full attention uses no blocks.
  const store = await openStore(options.mode === 'full' ? { store: false } : options, io.env, output);
  await using opened = await openEngine({ ...options, model: source.model }, { io, output, store, ahead });
  throwIfAborted(io.signal);
  const { mode, system, tenant, maxTokens, stop, temperature, topK, topP, minP, seed } = options;
  const { repeatPenalty, frequencyPenalty, presencePenalty } = options;
  const sampling = { temperature, topK, topP, minP, seed, repeatPenalty, frequencyPenalty, presencePenalty, grammar };
  const answerer = source.answerer(opened.engine, {
    ...sampling,
    mode,
    policy: policyOf(options),
    system,
    tenant,
    maxTokens,
    stop,
  });
  const { engine, model, loadMs } = opened;
  const about = {
    model: { name: model.name, path: model.path, architecture: engine.model.architecture },
    adapter: engine.model.adapter,
    kvType: engine.kvType,
    attention: engine.attention,
    threads: engine.threads,
    linear: engine.linear,
    loadMs,
  };
  const turns: unknown[] = [];
  for await (const asked of questionsOf(question, options, { io, output })) {
    output.progress.show({ label: source.label });
    const stream = answerer.ask(asked, { signal: io.signal });
    for await (const piece of stream) output.stream(piece);
    const result = await stream.result;
    if (result.text !== '') output.stream('\n');
    printCitations(result, output);
    if (!output.json) for (const line of accountOf(result)) output.note(line);
    if (result.stopReason === 'aborted') context.exitCode = exitCodes.cancelled;
    turns.push({ ...(options.chat === true && { question: asked }), ...report(result) });
    if (result.stopReason === 'aborted') break;
  }
  if (options.chat === true) output.result({ turns, ...about });
  else output.result(Object.assign({}, turns[0], about));
}

/** The one question, or in a chat the lines of standard input. */
async function* questionsOf(
  question: string | undefined,
  { chat }: AskOptions,
  { io, output }: { readonly io: CliIo; readonly output: Output },
): AsyncGenerator<string> {
  if (question !== undefined && question.trim() !== '') yield question;
  if (chat !== true) return;
  output.note('one question per line; an empty line, or Ctrl-D, ends it');
  for await (const line of linesOf(io.stdin, io.signal)) {
    if (line.trim() === '') return;
    yield line;
  }
}

function printCitations({ citations = [], inDocuments, documents }: SourceResult, output: Output): void {
  const certain = inDocuments === false && documents?.state === 'ready';
  if (certain && citations.length === 0) output.note('not in the documents, as far as can be told');
  if (citations.length > 0) output.print();
  for (const { index, source, title } of citations) {
    output.print(`${output.bold(`[${index}] ${printableLine(source)}`)}  ${output.faint(printableLine(title))}`);
  }
}

/** A result for programs. */
function report({ text: answer, hits, ...rest }: SourceResult) {
  return { answer, ...rest, ...(hits !== undefined && { hits: hits.map(reportHit) }) };
}

/** What an answer cost, and what was left out of what was found. */
function accountOf(result: SourceResult): string[] {
  const { documents } = result;
  const unread = documents === undefined ? [] : incomplete(documents);
  if (result.asked === false) {
    const found = 'no model was asked: what was found speaks too little of the question (--min-coverage)';
    return documents?.state === 'empty' ? unread : [found, ...unread];
  }
  const { passages, turns } = result.leftOut ?? { passages: 0, turns: 0 };
  const left = [
    ...(passages > 0
      ? [
          passages === 1
            ? 'the last passage that was found'
            : `the last ${counted(passages, 'passage')} that were found`,
        ]
      : []),
    ...(turns > 0 ? [turns === 1 ? 'the oldest turn' : `the oldest ${formatCount(turns)} turns`] : []),
  ];
  const note = `left out for want of context: ${left.join(' and ')} (--context, --top, --max-tokens)`;
  return [...(left.length > 0 ? [note] : []), ...unread, ...account(result)];
}

/** What an answer cost, in two or three lines. */
function account(result: AnswerResult): string[] {
  const { mode, reason, policy, recomputed, selection, ttftMs, tokens, timings, blocks, flops, stopReason } = result;
  const speed = timings.decodeTokensPerSecond;
  const lines = [
    ...(reason === null ? [] : [`${mode}, since ${reason}`]),
    `${mode}: first token after ${formatMs(ttftMs)}, ` +
      `${formatCount(tokens.context)} + ${counted(tokens.question, 'token')} read, ${formatCount(tokens.answer)} written` +
      (speed > 0 ? ` at ${speed.toFixed(speed < 10 ? 1 : 0)}/s` : ''),
  ];
  if (recomputed.tokens > 0) {
    lines.push(`policy ${policy}: ${counted(recomputed.tokens, 'token')} recomputed in ${formatMs(recomputed.ms)}`);
  }
  if (selection !== null) {
    const read = selection.passages.filter((passage) => passage.read).length;
    lines.push(
      `policy ${policy}: read ${read} of ${selection.passages.length} passages, chosen in ${formatMs(selection.ms)}`,
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
