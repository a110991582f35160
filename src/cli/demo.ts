/** `demo`: a real model, a small corpus, three questions in both modes. */
import type { Command } from 'commander';
import type { AnswerResult, Mode } from '../engine/index.ts';
import { BlockAttentionError } from '../errors.ts';
import { type DemoRow, demoCard, demoHeader, demoNote, demoSummary } from './demo-card.ts';
import { type DemoQuestion, demoPassages, demoQuestions } from './demo-corpus.ts';
import { throwIfCancelled } from './errors.ts';
import { formatCount } from './format.ts';
import type { CommandContext } from './io.ts';
import { loadOpenEngine } from './lazy.ts';
import { addComputeOptions, type ModelOptions, modelReferenceHelp } from './model-options.ts';
import { Output } from './output.ts';

interface DemoFlags extends ModelOptions {
  readonly json?: boolean;
}

const demoModel = 'smollm2-135m';
const maxTokens = 48;

export function addDemo(program: Command, context: CommandContext): void {
  const command = program
    .command('demo')
    .description('fetch a small model, encode a small corpus, answer three questions in both modes')
    .option('--model <ref>', modelReferenceHelp, demoModel)
    .option('--json', 'result as one line of JSON');
  addComputeOptions(command).action((flags: DemoFlags) => demo(flags, context));
}

async function demo(flags: DemoFlags, { io }: CommandContext): Promise<void> {
  const output = new Output(io, flags);
  const { openEngine } = await loadOpenEngine();
  await using opened = await openEngine(flags, { io, output }).catch((error: unknown) => {
    throw explained(error, flags.model);
  });
  const { engine, model, loadMs } = opened;
  const total = demoPassages.length;
  const encoding = await engine.encode(demoPassages, {
    signal: io.signal,
    onProgress: (done) => output.progress.show({ label: 'encoding the passages', done, total }),
  });
  const tokensPerSecond = (encoding.tokens * 1000) / encoding.ms;
  for (const line of demoHeader({ model: model.name, engine, loadMs, encoding, tokensPerSecond })) output.print(line);
  const rows: DemoRow[] = [];
  for (const [index, { question, expected }] of demoQuestions.entries()) {
    throwIfCancelled(io.signal);
    const full = await answer(question, 'full');
    const block = await answer(question, 'block');
    const row = compare({ question, expected }, full, block);
    rows.push(row);
    for (const line of demoCard(index + 1, row, (text) => output.bold(text))) output.print(line);
  }
  output.print(demoSummary(rows));
  if (flags.model === demoModel) for (const line of demoNote(demoModel)) output.print(line);
  const { kvType, attention, threads } = engine;
  output.result({
    model: { name: model.name, path: model.path },
    kvType,
    attention,
    threads,
    loadMs,
    encoding: { ...encoding, tokensPerSecond },
    questions: rows,
  });

  async function answer(question: string, mode: Mode): Promise<AnswerResult> {
    output.progress.show({ label: `${mode} attention: ${question}`, detail: `${formatCount(encoding.tokens)} tokens` });
    return engine.answer({ passages: demoPassages, question, mode, maxTokens, signal: io.signal }).result;
  }
}

function compare({ question, expected }: DemoQuestion, full: AnswerResult, block: AnswerResult): DemoRow {
  const side = ({ text, ttftMs, timings }: AnswerResult) => ({
    answer: text.trim(),
    ttftMs,
    decodeTokensPerSecond: timings.decodeTokensPerSecond,
    right: normalized(text).includes(normalized(expected)),
  });
  const hits = block.blocks.filter(({ status }) => status === 'hit');
  return {
    question,
    expected,
    full: side(full),
    block: side(block),
    hit: hits.length,
    missed: block.blocks.length - hits.length,
    reusedBytes: hits.reduce((sum, { bytes }) => sum + bytes, 0),
    flops: block.flops,
    agree: normalized(full.text) === normalized(block.text),
  };
}

/** Case, punctuation and spacing make no other answer. */
function normalized(text: string): string {
  return text
    .toLowerCase()
    .replace(/[^\p{L}\p{N}]+/gu, ' ')
    .trim();
}

/** A demo must run without reading up on models: say what else can be done. */
function explained(error: unknown, model: string): unknown {
  if (!BlockAttentionError.isInstance(error) || error.code === 'ABORTED' || model !== demoModel) return error;
  const remedy = 'The demo needs a model: give one that you have with `npx block-attention demo --model FILE.gguf`';
  return new BlockAttentionError(error.code, `${error.message}\n${remedy}`, { cause: error });
}
