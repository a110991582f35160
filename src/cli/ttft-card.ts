/** The TTFT report for people, at 80 columns. Rows appear as they are measured, so widths are fixed. */
import { paperRows, type TtftReport, type TtftRow } from '../eval/index.ts';
import { formatBytes, formatFlops, formatMs, formatReduction } from './format.ts';

const widths = [7, 11, 9, 9, 10, 8, 9, 9] as const;

export function ttftHeader(): string[] {
  return [
    line(['', '', '', '', 'paper,', 'full', 'block', '']),
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
  const lines = ['', `Time to first token, medians. block: all passages cached, everything counted.`];
  lines.push(
    reference === 'none'
      ? 'full: this engine, whole prompt.'
      : 'full: the whole prompt by the faster of this engine and llama.cpp, flash attention on or off:',
  );
  if (reference !== 'none') {
    for (const row of rows) {
      if (row.engineFullMs === null || row.llamaCppMs === null) continue;
      const flash = row.llamaCppFlashAttention ? 'on' : 'off';
      const times = `engine ${formatMs(row.engineFullMs)}, llama.cpp ${formatMs(row.llamaCppMs)} (flash ${flash})`;
      lines.push(`${String(row.tokens).padStart(7)}  ${times}`);
    }
  }
  const last = rows.at(-1);
  const longest = paperRows.at(-1);
  if (last !== undefined && longest?.fullFlops !== undefined) {
    lines.push(
      `FLOPs with attention; of the matrices alone, as the paper counts, at ${last.tokens}: ` +
        `${formatFlops(last.fullLinearFlops)}`,
      `  and ${formatFlops(last.blockLinearFlops)} (${formatReduction(last.blockLinearFlops, last.fullLinearFlops)}). ` +
        `Paper, 8B on a GPU, at ${longest.tokens}: ${formatFlops(longest.fullFlops)} and ${formatFlops(longest.blockFlops)} ` +
        `(${formatReduction(longest.blockFlops, longest.fullFlops)}),`,
      `  first token after ${longest.blockMs} instead of ${longest.fullMs} ms (${formatReduction(longest.blockMs, longest.fullMs)}).`,
    );
  }
  lines.push(
    `Machine: ${machine.cpu}, ${machine.cores} cores, ${threads} threads, ${formatBytes(machine.memoryBytes)}, ${machine.platform}, Node ${machine.node}`,
    `Model:   ${modelName}, ${model.path}`,
    `         keys and values ${kvType}, ${attention} attention, blocks of at most ${blockTokens} tokens`,
  );
  if (last !== undefined && last.tokens > model.trainedContext) {
    lines.push(
      `         trained for ${model.trainedContext} tokens: longer prompts are random words, to measure time alone`,
    );
  }
  return lines;
}

function line(cells: readonly string[]): string {
  return cells.map((cell, i) => cell.padStart(widths[i] ?? 0)).join('');
}
