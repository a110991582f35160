/**
 * The paper's accuracy on questions with 10 passages, in percent (arXiv 2409.15355, Table 1; Llama-3.1-8B): the gold
 * answer is a substring of the output, greedy, at most 200 tokens.
 */
export interface PaperAccuracyRow {
  readonly name: string;
  readonly twoWiki: number;
  readonly hotpotQa: number;
  readonly nq: number;
  readonly triviaQa: number;
  readonly average: number;
}

export const paperAccuracyRows: readonly PaperAccuracyRow[] = [
  { name: 'full attention', twoWiki: 73.2, hotpotQa: 74.8, nq: 61.5, triviaQa: 75.8, average: 71.3 },
  { name: 'block, not fine-tuned', twoWiki: 42.9, hotpotQa: 42.1, nq: 48.3, triviaQa: 66.5, average: 50.0 },
  { name: 'block, fine-tuned', twoWiki: 72.2, hotpotQa: 72.3, nq: 60.4, triviaQa: 75.1, average: 70.0 },
  { name: 'fine-tuned, full attention', twoWiki: 73.6, hotpotQa: 75.2, nq: 62.2, triviaQa: 76.2, average: 71.8 },
];
