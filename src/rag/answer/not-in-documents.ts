/**
 * Whether the documents answer a question at all: before the model is asked, and of what it said.
 *
 * Thresholds are measured on SQuAD paragraphs with questions about other subjects mixed in: docs/log/documents.md.
 */
import { notInDocuments } from '@block-attention/engine/internal/prompt';
import type { DocumentsState } from '../catalog/documents-state.ts';
import type { SearchHit } from '../types.ts';

/** Chunks whose best coverage counts. */
const judged = 3;

export const defaultMinCoverage = 0.4;

export { notInDocuments };

/** False when what was found hardly speaks of what was asked. A close match by meaning needs no shared words. */
export function mayAnswer(hits: readonly SearchHit[], minCoverage: number): boolean {
  const nearest = hits.slice(0, judged);
  return nearest.some(({ coverage, ranks }) => coverage >= minCoverage || (ranks.vector === 1 && coverage > 0));
}

/** What is said where nothing that was found speaks of the question: that the documents do not answer it, or why that is not known. */
export function withoutAnswer({ state, files: { done, total } }: DocumentsState): string {
  const far = total === 0 ? '' : `: ${done} of ${total} files so far`;
  switch (state) {
    case 'ready':
      return notInDocuments;
    case 'empty':
      return 'There are no documents to answer from yet.';
    case 'reading':
      return `The documents are still being read${far}${done === 0 ? '' : ', and none of them answers this'}. Ask again in a moment.`;
    case 'unfinished':
      return `What was read of the documents does not answer this, and reading them ended early${far}.`;
  }
}
