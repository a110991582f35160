/**
 * Whether the documents answer a question at all: before the model is asked, and of what it said.
 *
 * Thresholds are measured on SQuAD paragraphs with questions about other subjects mixed in: docs/log.md.
 */
import { notInDocuments } from '../../prompt/index.ts';
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
