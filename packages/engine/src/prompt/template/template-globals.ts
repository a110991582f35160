/**
 * What a chat template can call besides the language itself. Differs from the template library's own set in two
 * ways: `range` is bounded, because a template comes with a downloaded model, and dates are in English everywhere.
 */
import { BlockAttentionError } from '../../errors.ts';
import { formatDate } from './format-date.ts';

/** Longest list a template may make. */
const maxRange = 100_000;

/** Longest format of a date, and longest message a template may raise. */
const maxFormat = 1000;
const maxMessage = 500;

/** Variables and functions every template sees. `now` is what `strftime_now` formats, in local time. */
export function templateGlobals(now: Date): Readonly<Record<string, unknown>> {
  return {
    true: true,
    false: false,
    none: null,
    True: true,
    False: false,
    None: null,
    raise_exception: (message: unknown) => {
      throw new BlockAttentionError(
        'INVALID_TEMPLATE',
        `the chat template refuses this prompt: ${shorten(String(message))}`,
      );
    },
    range: boundedRange,
    strftime_now: (format: unknown) => writeDate(now, String(format)),
  };
}

/** A message of the template's, or about it, short enough to be shown. */
export function shorten(message: string): string {
  return message.length <= maxMessage ? message : `${message.slice(0, maxMessage)} …`;
}

function writeDate(now: Date, format: string): string {
  if (format.length <= maxFormat) return formatDate(now, format);
  throw new BlockAttentionError(
    'INVALID_TEMPLATE',
    `the chat template asks for a date in a format of ${format.length} characters: at most ${maxFormat} are allowed`,
  );
}

function boundedRange(first: number, second?: number, step = 1): number[] {
  const [start, stop] = second === undefined ? [0, first] : [first, second];
  const count = Math.max(0, Math.ceil((stop - start) / step));
  if (!(count <= maxRange)) {
    throw new BlockAttentionError(
      'INVALID_TEMPLATE',
      `the chat template asks for range(${start}, ${stop}, ${step}): at most ${maxRange} numbers are allowed`,
    );
  }
  return Array.from({ length: count }, (_, index) => start + index * step);
}
