/**
 * Python's strftime for chat templates: all directives of Python and of the C library of Linux, in the C locale (so
 * English everywhere), of a local time without a zone, as `datetime.now()` gives it.
 */
import { BlockAttentionError } from '../../errors.ts';

const months = 'January February March April May June July August September October November December'.split(' ');
const days = 'Sunday Monday Tuesday Wednesday Thursday Friday Saturday'.split(' ');

/** A number with the width and the padding it has without a flag. */
interface Field {
  readonly number: number;
  readonly width: number;
  readonly pad: '0' | ' ';
}

const padded = (number: number, width = 2, pad: Field['pad'] = '0'): Field => ({ number, width, pad });

const fields: Readonly<Record<string, (date: Date) => Field | string>> = {
  Y: (date) => padded(date.getFullYear(), 1),
  C: (date) => padded(Math.floor(date.getFullYear() / 100)),
  y: (date) => padded(date.getFullYear() % 100),
  m: (date) => padded(date.getMonth() + 1),
  d: (date) => padded(date.getDate()),
  e: (date) => padded(date.getDate(), 2, ' '),
  j: (date) => padded(dayOfYear(date) + 1, 3),
  H: (date) => padded(date.getHours()),
  k: (date) => padded(date.getHours(), 2, ' '),
  I: (date) => padded(date.getHours() % 12 || 12),
  l: (date) => padded(date.getHours() % 12 || 12, 2, ' '),
  M: (date) => padded(date.getMinutes()),
  S: (date) => padded(date.getSeconds()),
  f: (date) => String(date.getMilliseconds() * 1000).padStart(6, '0'),
  s: (date) => padded(Math.floor(date.getTime() / 1000), 1),
  u: (date) => padded(date.getDay() || 7, 1),
  w: (date) => padded(date.getDay(), 1),
  U: (date) => padded(Math.floor((dayOfYear(date) + 7 - date.getDay()) / 7)),
  W: (date) => padded(Math.floor((dayOfYear(date) + 7 - ((date.getDay() + 6) % 7)) / 7)),
  V: (date) => padded(isoWeek(date)[1]),
  G: (date) => padded(isoWeek(date)[0], 1),
  g: (date) => padded(isoWeek(date)[0] % 100),
  B: (date) => months[date.getMonth()] ?? '',
  b: (date) => (months[date.getMonth()] ?? '').slice(0, 3),
  h: (date) => (months[date.getMonth()] ?? '').slice(0, 3),
  A: (date) => days[date.getDay()] ?? '',
  a: (date) => (days[date.getDay()] ?? '').slice(0, 3),
  p: (date) => (date.getHours() < 12 ? 'AM' : 'PM'),
  P: (date) => (date.getHours() < 12 ? 'am' : 'pm'),
  c: (date) => formatDate(date, '%a %b %e %H:%M:%S %Y'),
  x: (date) => formatDate(date, '%m/%d/%y'),
  D: (date) => formatDate(date, '%m/%d/%y'),
  X: (date) => formatDate(date, '%H:%M:%S'),
  T: (date) => formatDate(date, '%H:%M:%S'),
  F: (date) => formatDate(date, '%Y-%m-%d'),
  R: (date) => formatDate(date, '%H:%M'),
  r: (date) => formatDate(date, '%I:%M:%S %p'),
  // A time without a zone has neither.
  z: () => '',
  ':z': () => '',
  Z: () => '',
  n: () => '\n',
  t: () => '\t',
  '%': () => '%',
};

/**
 * @param format with the flags `-` (no padding), `_` (spaces), `0` (zeros) and `^` (capitals) where they apply
 * @throws INVALID_TEMPLATE for a directive that Python does not know either
 */
export function formatDate(date: Date, format: string): string {
  return format.replace(/%([-_0^]?)(:z|.?)/gsu, (whole, flag: string, directive: string) => {
    const field = Object.hasOwn(fields, directive) ? fields[directive]?.(date) : undefined;
    if (field === undefined) {
      throw new BlockAttentionError(
        'INVALID_TEMPLATE',
        `the chat template asks for the date as ${JSON.stringify(whole)}: Python's strftime has no such directive`,
      );
    }
    if (typeof field === 'string') return flag === '^' ? field.toUpperCase() : field;
    const pad = flag === '_' ? ' ' : flag === '0' ? '0' : field.pad;
    return flag === '-' ? String(field.number) : String(field.number).padStart(field.width, pad);
  });
}

/** Days since the first of January. */
function dayOfYear(date: Date): number {
  return daysBetween(new Date(date.getFullYear(), 0, 1), date);
}

/** Whole days from one local date to another, whatever summer time does in between. */
function daysBetween(from: Date, to: Date): number {
  const day = (date: Date) => Date.UTC(date.getFullYear(), date.getMonth(), date.getDate());
  return Math.round((day(to) - day(from)) / 86_400_000);
}

/** Year and week by ISO 8601: a week belongs to the year of its Thursday. */
function isoWeek(date: Date): [year: number, week: number] {
  const thursday = new Date(date.getFullYear(), date.getMonth(), date.getDate() + 4 - (date.getDay() || 7));
  return [thursday.getFullYear(), Math.floor(dayOfYear(thursday) / 7) + 1];
}
