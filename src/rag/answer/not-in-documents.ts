/**
 * Whether the documents answer a question at all: before the model is asked, and of what it said.
 *
 * Thresholds are measured on SQuAD paragraphs with questions about other subjects mixed in: docs/log.md.
 */
import { notInDocuments } from '../../prompt/index.ts';
import type { SearchHit } from '../types.ts';
import type { Words } from '../words/words.ts';
import { grounding } from './cite.ts';

/** Chunks whose best coverage counts. */
const judged = 3;
/** Share of an answer's own words that must stand in the passages. */
const leastGrounding = 0.34;

export const defaultMinCoverage = 0.4;

export { notInDocuments };

/** False when what was found hardly speaks of what was asked. A close match by meaning needs no shared words. */
export function mayAnswer(hits: readonly SearchHit[], minCoverage: number): boolean {
  const nearest = hits.slice(0, judged);
  return nearest.some(({ coverage, ranks }) => coverage >= minCoverage || (ranks.vector === 1 && coverage > 0));
}

const refusal =
  /\b(?:not|n[o']t|never|no)\b.{0,60}\b(?:documents?|passages?|context|text|provided|given|mentioned?|specif\w*|stated?|contain|information)\b|\b(?:documents?|passages?|context|text|information)\b.{0,60}\b(?:not|n't|no|cannot)\b/i;

/** False when an answer says so itself, or says what stands in no passage. */
export function isGrounded(answer: string, question: string, hits: readonly SearchHit[], words: Words): boolean {
  if (answer.trim() === '') return false;
  const [first = ''] = answer.split(/(?<=[.!?])\s/);
  if (refusal.test(first)) return false;
  const share = grounding(answer, question, hits, words);
  return share === undefined || share >= leastGrounding;
}
