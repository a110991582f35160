/**
 * Chosen passages, a part of a context policy: the question is read behind every passage alone, and the answer behind the
 * few that say least that they do not answer. What it is called, nothing of how it is done (answer/select-passages.ts).
 */
import { type PartReader, wholeIn } from './read-part.ts';

/** Prompts with more passages than that have retrieval to choose them. */
const mostSelected = 64;

export const selectForms = 'select:PASSAGES';

/**
 * In nats, how much likelier than behind the likeliest passage the refusal may be behind another one that is read beside
 * it. Where one passage stands out it is read alone: small models take what stands beside the answer for it. Of 572
 * questions of six sets 309 were right at 1, 286 at 0 (always one), 295 without a limit (always two): docs/log/quality.md.
 */
export const selectedWithin = 1;

/** Reads `select:1`; `select:0` chooses nothing. @throws INVALID_ARGUMENT */
export const readSelect: PartReader<number> = (text, value) =>
  wholeIn(text, value, { what: 'how many passages are read together', min: 0, max: mostSelected });

export function formatSelect(passages: number): string {
  return `select:${passages}`;
}
