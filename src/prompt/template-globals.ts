/**
 * What a chat template can call besides the language itself. Differs from the template library's own set in two
 * ways: `range` is bounded, because a template comes with a downloaded model, and dates are in English everywhere.
 */
import { BlockAttentionError } from '../errors.ts';

/** Longest list a template may make. */
const maxRange = 100_000;

const months = 'January February March April May June July August September October November December'.split(' ');
const days = 'Sunday Monday Tuesday Wednesday Thursday Friday Saturday'.split(' ');

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
      throw new BlockAttentionError('INVALID_TEMPLATE', `the chat template refuses this prompt: ${String(message)}`);
    },
    range: boundedRange,
    strftime_now: (format: string) => formatDate(now, String(format)),
  };
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

/** Python's strftime for the directives that templates use; others stay as they are. */
export function formatDate(date: Date, format: string): string {
  const two = (value: number) => String(value).padStart(2, '0');
  const month = months[date.getMonth()] ?? '';
  const day = days[date.getDay()] ?? '';
  const fields: Readonly<Record<string, string>> = {
    Y: String(date.getFullYear()),
    y: two(date.getFullYear() % 100),
    m: two(date.getMonth() + 1),
    d: two(date.getDate()),
    B: month,
    b: month.slice(0, 3),
    A: day,
    a: day.slice(0, 3),
    H: two(date.getHours()),
    I: two(date.getHours() % 12 || 12),
    M: two(date.getMinutes()),
    S: two(date.getSeconds()),
    p: date.getHours() < 12 ? 'AM' : 'PM',
    '%': '%',
  };
  return format.replace(/%(.)/gs, (whole, directive: string) => fields[directive] ?? whole);
}
