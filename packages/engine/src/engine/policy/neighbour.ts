/**
 * Neighbour context, a part of a context policy: a passage is encoded behind the end of the passage that stands before it in
 * its document, as a reader comes to it. What it is called, nothing of tokens: those are neighbour-tokens.ts's.
 */
import { type PartReader, wholeIn } from './read-part.ts';

/** Every passage is encoded behind so many tokens of its own, which nobody else can use. */
export const mostNeighbourTokens = 1024;

export const neighbourForms = 'neighbour:TOKENS';

/** Reads `neighbour:256`; `neighbour:0` is nothing. @throws INVALID_ARGUMENT */
export const readNeighbour: PartReader<number> = (text, value) =>
  wholeIn(text, value, { what: 'the last tokens of the passage before', min: 0, max: mostNeighbourTokens });

export function formatNeighbour(tokens: number): string {
  return `neighbour:${tokens}`;
}
