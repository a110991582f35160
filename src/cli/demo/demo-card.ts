/** What the demo prints, at 80 columns. Pure. */
import type { EncodeSummary, Engine, FlopsReport } from '@block-attention/engine/internal/engine';
import { counted, formatBytes, formatCount, formatMs, formatReduction, wrap } from '../terminal/format.ts';
import { printable } from '../terminal/io.ts';

interface Side {
  readonly answer: string;
  readonly ttftMs: number;
  readonly decodeTokensPerSecond: number;
  /** Whether the answer contains what was asked for. */
  readonly right: boolean;
}

export interface DemoRow {
  readonly question: string;
  readonly expected: string;
  readonly full: Side;
  readonly block: Side;
  readonly hit: number;
  readonly missed: number;
  readonly reusedBytes: number;
  readonly flops: FlopsReport;
  /** Same words in both modes. */
  readonly agree: boolean;
}

export interface DemoHeader {
  readonly model: string;
  readonly engine: Pick<Engine, 'threads' | 'kvType' | 'attention'> & {
    readonly model: Pick<Engine['model'], 'parameters'>;
  };
  readonly loadMs: number;
  readonly encoding: EncodeSummary;
  readonly tokensPerSecond: number;
}

const columns = 78;
const indent = '  ';

export function demoHeader({ model, engine, loadMs, encoding, tokensPerSecond }: DemoHeader): string[] {
  const { parameters } = engine.model;
  return [
    `Model    ${model}, ${Math.round(parameters / 1e6)}M parameters, loaded in ${formatMs(loadMs)}`,
    `Device   ${counted(engine.threads, 'thread')}, ${engine.attention} attention, keys and values ${engine.kvType}`,
    `Encoded  ${counted(encoding.encoded, 'block')}, ${counted(encoding.tokens, 'token')} in ${formatMs(encoding.ms)} ` +
      `(${formatCount(tokensPerSecond)} tokens/s)`,
    `Stored   ${formatBytes(encoding.bytes)} of keys and values, reused by every question`,
    '',
  ];
}

export function demoCard(number: number, row: DemoRow, bold: (text: string) => string): string[] {
  const { full, block, hit, missed, reusedBytes, flops, agree } = row;
  return [
    bold(`${number}  ${row.question}`),
    ...side('full', full),
    ...side('block', block),
    `${indent} ${counted(hit, 'block')} hit, ${missed} missed, ${formatBytes(reusedBytes)} reused`,
    `${indent} first token ${formatReduction(block.ttftMs, full.ttftMs)}, FLOPs to it ${formatReduction(flops.spent, flops.full)}`,
    `${indent} answers ${agree ? 'agree' : 'differ'}${verdict(row)}`,
    '',
  ];
}

function side(name: string, { answer, ttftMs }: Side): string[] {
  const head = `${indent} ${name.padEnd(6)}${formatMs(ttftMs).padStart(9)}  `;
  const lines = wrap(printable(answer) || '(nothing)', columns - head.length);
  return lines.map((line, i) => (i === 0 ? head : ' '.repeat(head.length)) + line);
}

function verdict({ full, block, expected }: DemoRow): string {
  if (full.right && block.right) return `, both say “${expected}”`;
  if (!full.right && !block.right) return `, neither says “${expected}”`;
  return `, only ${full.right ? 'full' : 'block'} attention says “${expected}”`;
}

/** What the model does elsewhere. */
export const demoChoice = [
  '',
  'Both read all passages here. `ask` first reads the question behind each one',
  'alone and answers from the best: more often right, some tenths of a second later.',
] as const;

/** What to make of answers that differ. */
export function demoNote(model: string): string[] {
  return [
    '',
    `${model} was not fine-tuned for Block-Attention: the times hold for models`,
    'that were, the answers in block mode are worse than theirs (see the README).',
  ];
}

/** One line over all questions. */
export function demoSummary(rows: readonly DemoRow[]): string {
  const sum = (values: readonly number[]) => values.reduce((total, value) => total + value, 0);
  const full = sum(rows.map((row) => row.full.ttftMs)) / rows.length;
  const block = sum(rows.map((row) => row.block.ttftMs)) / rows.length;
  const right = (mode: 'full' | 'block') => rows.filter((row) => row[mode].right).length;
  return (
    `First token ${formatMs(block)} instead of ${formatMs(full)} (${formatReduction(block, full)}); ` +
    `right: block ${right('block')}, full ${right('full')} of ${rows.length}`
  );
}
