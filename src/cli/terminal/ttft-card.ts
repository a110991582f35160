/** The TTFT report for people, at 80 columns. Rows appear as they are measured, so widths are fixed. */
import type { TtftReport, TtftRow } from '@block-attention/engine/eval';
import { paperRows } from '@block-attention/engine/internal/paper';
import { counted, formatBytes, formatFlops, formatMs, formatReduction } from './format.ts';

const widths = [7, 12, 10, 9, 9, 9, 9, 9] as const;

export function ttftHeader(): string[] {
  return [
    line(['', '', '', '', 'paper', 'full', 'block', '']),
    line(['tokens', 'full', 'block', 'time', 'time', 'FLOPs', 'FLOPs', 'FLOPs']),
    '-'.repeat(widths.reduce((sum, width) => sum + width, 0)),
  ];
}

export function ttftLine(row: TtftRow): string {
  const { tokens, fullMs, blockMs, fullFlops, blockFlops } = row;
  const paper = paperRows.find((entry) => entry.tokens === tokens);
  return line([
    String(tokens),
    fullMs === null ? '-' : formatMs(fullMs),
    formatMs(blockMs),
    fullMs === null ? '-' : formatReduction(blockMs, fullMs),
    paper === undefined ? '-' : formatReduction(paper.blockMs, paper.fullMs),
    formatFlops(fullFlops),
    formatFlops(blockFlops),
    formatReduction(blockFlops, fullFlops),
  ]);
}

/** What was compared, on what, and the paper's figures for the longest prompt. */
export function ttftFooter(report: TtftReport, modelName: string): string[] {
  const { rows, machine, model, kvType, attention, threads, blockTokens, reference } = report;
  const last = rows.at(-1);
  const compared =
    reference === 'none'
      ? ['full: this engine reads the whole prompt.']
      : ['full: the whole prompt, by the faster of this engine and llama.cpp:', ...rows.flatMap(fullTimes)];
  const beyond = last !== undefined && last.tokens > model.trainedContext;
  return [
    '',
    'block: all passages cached; time from the call to the first token, medians.',
    ...compared,
    'FLOPs: to the first token, attention included.',
    ...(last === undefined ? [] : paperFigures(last)),
    '',
    `Machine  ${machine.cpu}, ${counted(machine.cores, 'core')}, ${formatBytes(machine.memoryBytes)}, ${machine.platform}, Node ${machine.node}`,
    `Model    ${modelName} (${model.path})`,
    `Setting  ${counted(threads, 'thread')}, keys and values ${kvType}, ${attention} attention, blocks of ${counted(blockTokens, 'token')}`,
    ...(beyond
      ? [`         prompts longer than the trained ${counted(model.trainedContext, 'token')}: random words, time alone`]
      : []),
  ];
}

function fullTimes({ tokens, engineFullMs, llamaCppMs, llamaCppFlashAttention }: TtftRow): string[] {
  if (engineFullMs === null || llamaCppMs === null) return [];
  const flash = llamaCppFlashAttention ? 'with' : 'without';
  const times = `engine ${formatMs(engineFullMs)}, llama.cpp ${formatMs(llamaCppMs)} ${flash} flash attention`;
  return [`${String(tokens).padStart(widths[0])}  ${times}`];
}

function paperFigures({ tokens, fullLinearFlops, blockLinearFlops }: TtftRow): string[] {
  const paper = paperRows.at(-1);
  if (paper?.fullFlops === undefined) return [];
  const pair = (full: number, block: number, at: number) =>
    `${formatFlops(full)} to ${formatFlops(block)} at ${at} (${formatReduction(block, full)})`;
  return [
    `  Matrices alone, as the paper counts: ${pair(fullLinearFlops, blockLinearFlops, tokens)}.`,
    `  Paper, 8B model: ${pair(paper.fullFlops, paper.blockFlops, paper.tokens)},`,
    `  ${paper.fullMs} to ${paper.blockMs} ms on a GPU (${formatReduction(paper.blockMs, paper.fullMs)}), loading not counted.`,
  ];
}

function line(cells: readonly string[]): string {
  return cells
    .map((cell, i) => cell.padStart(widths[i] ?? 0))
    .join('')
    .trimEnd();
}
