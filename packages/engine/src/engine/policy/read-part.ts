/** Reading the parts of a context policy's text: numbers within bounds, and refusals that name part and remedy. */
import { BlockAttentionError } from '../../errors.ts';

/** @param text the whole part, for messages. @param value what stands behind its colon; undefined without one */
export type PartReader<T> = (text: string, value: string | undefined) => T;

/** @param remedy what to give instead */
export function refuse(text: string, remedy: string): BlockAttentionError {
  return new BlockAttentionError('INVALID_ARGUMENT', `policy part ${JSON.stringify(text)}: ${remedy}`);
}

/** A decimal number of at least 0 as people write it: no sign, no exponent, and finite. */
export function numberIn(value: string | undefined): number | undefined {
  if (value === undefined || !/^(\d+(\.\d+)?|\.\d+)$/.test(value)) return undefined;
  const number = Number(value);
  return Number.isFinite(number) ? number : undefined;
}

/** @throws INVALID_ARGUMENT unless the value is a whole number from min to max */
export function wholeIn(
  text: string,
  value: string | undefined,
  { what, min, max }: { readonly what: string; readonly min: number; readonly max: number },
): number {
  const number = numberIn(value);
  if (number !== undefined && Number.isInteger(number) && number >= min && number <= max) return number;
  throw refuse(text, `give ${what} as a whole number from ${min} to ${max}`);
}
