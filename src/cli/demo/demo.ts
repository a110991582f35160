/** `demo`: a model, a small corpus, three questions in both modes. */

import { throwIfAborted } from '@block-attention/engine/internal/base';
import type { AnswerResult, Mode } from '@block-attention/engine/internal/engine';
import { readingAll } from '@block-attention/engine/internal/policy';
import type { Command } from 'commander';
import { embeddedModel } from '../../hub/aliases.ts';
import { loadDemoFacts, loadOpenEngine } from '../lazy.ts';
import {
  addComputeOptions,
  type ModelOptions,
  modelDefaultHelp,
  modelReferenceHelp,
} from '../options/model-options.ts';
import { counted } from '../terminal/format.ts';
import type { CommandContext } from '../terminal/io.ts';
import { Output } from '../terminal/output.ts';
import { type DemoRow, demoCard, demoChoice, demoHeader, demoNote, demoSummary } from './demo-card.ts';
import { demoPassages, demoQuestions } from './demo-corpus.ts';
import type { DemoQuestion } from './demo-facts.ts';

interface DemoFlags extends ModelOptions {
  readonly json?: boolean;
}

const maxTokens = 48;

export function addDemo(program: Command, context: CommandContext): void {
  const command = program
    .command('demo')
    .description('encode a small corpus and answer three questions in both modes')
    .option('--model <ref>', `${modelReferenceHelp} (default: ${modelDefaultHelp})`)
    .option('--json', 'result as one line of JSON');
  addComputeOptions(command).action((flags: DemoFlags) => demo(flags, context));
}

async function demo(flags: DemoFlags, { io }: CommandContext): Promise<void> {
  const output = new Output(io, flags);
  const { openEngine } = await loadOpenEngine();
  await using opened = await openEngine(flags, { io, output });
  const { engine, model, loadMs } = opened;
  const { passages, questions } =
    model.name === embeddedModel
      ? (await loadDemoFacts()).demoFacts()
      : { passages: demoPassages, questions: demoQuestions };
  const { policy: own } = engine.chooseMode({ mode: 'block' });
  // Two ways of reading the same passages are compared.
  const policy = own === null ? undefined : readingAll(own);
  const total = passages.length;
  const encoding = await engine.encode(passages, {
    signal: io.signal,
    onProgress: (done) => output.progress.show({ label: 'encoding the passages', done, total }),
  });
  const tokensPerSecond = (encoding.tokens * 1000) / encoding.ms;
  for (const line of demoHeader({ model: model.name, engine, loadMs, encoding, tokensPerSecond })) output.print(line);
  const rows: DemoRow[] = [];
  for (const [index, { question, expected }] of questions.entries()) {
    throwIfAborted(io.signal);
    const full = await answer(question, 'full');
    const block = await answer(question, 'block');
    const row = compare({ question, expected }, full, block);
    rows.push(row);
    for (const line of demoCard(index + 1, row, (text) => output.bold(text))) output.print(line);
  }
  output.print(demoSummary(rows));
  if (policy?.name !== own?.name) for (const line of demoChoice) output.print(line);
  const tuned = engine.model.adapter !== null || model.name === embeddedModel;
  if (!tuned) for (const line of demoNote(model.name)) output.print(line);
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
    output.progress.show({ label: `${mode} attention: ${question}`, detail: counted(encoding.tokens, 'token') });
    return engine.answer({
      passages,
      question,
      mode,
      policy: mode === 'block' ? policy : undefined,
      maxTokens,
      signal: io.signal,
    }).result;
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
