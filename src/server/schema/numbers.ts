/**
 * Numbers between bounds as GBNF: digit by digit, no number outside is a reading. Numbers with bounds are written
 * without an exponent.
 */

export interface NumberBounds {
  readonly integer: boolean;
  readonly min: number | undefined;
  readonly max: number | undefined;
  /** Whether the bound itself is outside. */
  readonly minOpen: boolean;
  readonly maxOpen: boolean;
  /** Digits behind the point, at most; undefined for no limit of the schema's. */
  readonly decimals: number | undefined;
}

/** A bound of a magnitude in decimal digits. */
interface Bound {
  readonly whole: string;
  readonly part: string;
  readonly open: boolean;
}

/** A whole part of more digits is not a safe integer. */
const mostDigits = 15;

/**
 * @param rule names an expression: equal ones get the same name
 * @returns undefined when no number of at most 15 digits lies between the bounds
 */
export function numberGrammar(bounds: NumberBounds, rule: (text: string) => string): string | undefined {
  const { min, max, minOpen, maxOpen } = wholeBounds(bounds);
  const write = new Magnitude(bounds, rule);
  const options: string[] = [];
  if (max === undefined || max > 0 || (max === 0 && !maxOpen)) {
    const low = min !== undefined && min >= 0 ? boundOf(min, minOpen) : undefined;
    const text = write.between(low, max === undefined ? undefined : boundOf(max, maxOpen));
    if (text !== undefined) options.push(text);
  }
  if (min === undefined || min < 0) {
    const low = max !== undefined && max < 0 ? boundOf(-max, maxOpen) : { whole: '0', part: '', open: true };
    const text = write.between(low, min === undefined ? undefined : boundOf(-min, minOpen));
    if (text !== undefined) options.push(`"-" (${text})`);
  }
  return options.length === 0 ? undefined : options.join(' | ');
}

/** Bounds of integers are integers and belong to them. Those beyond all numbers written here bind nothing. */
function wholeBounds({ integer, min, max, minOpen, maxOpen }: NumberBounds) {
  const greatest = 10 ** mostDigits;
  const low = min !== undefined && min <= -greatest ? undefined : min;
  const high = max !== undefined && max >= greatest ? undefined : max;
  if (!integer) return { min: low, max: high, minOpen, maxOpen };
  const first = low === undefined ? undefined : minOpen ? Math.floor(low) + 1 : Math.ceil(low);
  const last = high === undefined ? undefined : maxOpen ? Math.ceil(high) - 1 : Math.floor(high);
  return { min: first, max: last, minOpen: false, maxOpen: false };
}

/** The shortest digits that mean the number. @param value at least 0 */
function boundOf(value: number, open: boolean): Bound {
  const [digits = '0', exponent = '0'] = String(value).split('e');
  const [whole = '0', part = ''] = digits.split('.');
  const shift = Number(exponent);
  if (shift === 0) return { whole, part, open };
  if (shift < 0) return { whole: '0', part: '0'.repeat(-shift - 1) + whole + part, open };
  return { whole: whole + part.padEnd(shift, '0'), part: '', open };
}

class Magnitude {
  readonly #integer: boolean;
  readonly #decimals: number;
  readonly #rule: (text: string) => string;

  constructor({ integer, decimals, min, max }: NumberBounds, rule: (text: string) => string) {
    this.#integer = integer || decimals === 0;
    this.#rule = rule;
    // Near a bound a number keeps within 15 digits, which doubles tell apart.
    const digits = Math.max(...[min, max].map((bound) => Math.trunc(Math.abs(bound ?? 0)).toFixed(0).length));
    this.#decimals = Math.min(decimals ?? mostDigits, Math.max(1, mostDigits - digits));
  }

  /** Decimal numbers without a sign, from one bound to the other. */
  between(low: Bound | undefined, high: Bound | undefined): string | undefined {
    const least = low?.whole.length ?? 1;
    const most = high?.whole.length ?? mostDigits;
    const options: string[] = [];
    if (least > most || least > mostDigits) return undefined;
    const edges = new Set([...(low ? [least] : []), ...(high ? [most] : [])]);
    if (!edges.has(1)) edges.add(1);
    for (const length of edges) {
      if (length < least || length > most) continue;
      const text = this.#whole(
        length,
        0,
        low?.whole.length === length ? low : undefined,
        high?.whole.length === length ? high : undefined,
      );
      if (text !== undefined) options.push(text);
    }
    // Lengths in between, without a bound of their own.
    const from = Math.max(2, low ? least + 1 : 2);
    const to = high ? most - 1 : mostDigits;
    if (from <= to) options.push(`[1-9] [0-9]{${from - 1},${to - 1}}${this.#freePart()}`);
    return options.length === 0 ? undefined : options.join(' | ');
  }

  #freePart(): string {
    return this.#integer ? '' : ` ("." [0-9]{1,${this.#decimals}})?`;
  }

  /** The whole part from a place on. @param low and @param high bind as long as all digits so far are theirs */
  #whole(length: number, at: number, low: Bound | undefined, high: Bound | undefined): string | undefined {
    if (at === length) return this.#end(low, high);
    const first = low ? digit(low.whole, at) : at === 0 && length > 1 ? 1 : 0;
    const last = high ? digit(high.whole, at) : 9;
    if (!low && !high) {
      const rest = length - at - 1;
      return `[${first}-9]${rest > 0 ? ` [0-9]{${rest}}` : ''}${this.#freePart()}`;
    }
    return this.#step(first, last, low, high, (l, h) => this.#whole(length, at + 1, l, h));
  }

  /** Behind the whole part. */
  #end(low: Bound | undefined, high: Bound | undefined): string | undefined {
    if (!low && !high) return this.#integer ? '""' : `("." [0-9]{1,${this.#decimals}})?`;
    const stop = mayEnd(0, low, high);
    const part = this.#integer ? undefined : this.#part(0, low, high);
    if (part === undefined) return stop ? '""' : undefined;
    return stop ? `("." ${part})?` : `"." ${part}`;
  }

  /** At least one digit behind the point, from a place on. */
  #part(at: number, low: Bound | undefined, high: Bound | undefined): string | undefined {
    if (at === this.#decimals) return undefined;
    if (!low && !high) return `[0-9]{1,${this.#decimals - at}}`;
    const first = low ? digit(low.part, at) : 0;
    const last = high ? digit(high.part, at) : 9;
    const text = this.#step(first, last, low, high, (l, h) => {
      const more = this.#part(at + 1, l, h);
      if (!mayEnd(at + 1, l, h)) return more;
      return more === undefined ? '""' : `(${more})?`;
    });
    return text === undefined ? undefined : this.#rule(text);
  }

  #step(
    first: number,
    last: number,
    low: Bound | undefined,
    high: Bound | undefined,
    rest: (low: Bound | undefined, high: Bound | undefined) => string | undefined,
  ): string | undefined {
    const options: string[] = [];
    const add = (from: number, to: number, l: Bound | undefined, h: Bound | undefined) => {
      if (from > to) return;
      const text = rest(l, h);
      if (text !== undefined) options.push(`[${from}-${to}] ${text}`);
    };
    if (first > last) return undefined;
    if (first === last) add(first, first, low, high);
    else {
      if (low) add(first, first, low, undefined);
      add(low ? first + 1 : first, high ? last - 1 : last, undefined, undefined);
      if (high) add(last, last, undefined, high);
    }
    return options.length === 0 ? undefined : `(${options.join(' | ')})`;
  }
}

/** Whether a number may end where its first `at` digits behind the point are those of the bounds that are left. */
function mayEnd(at: number, low: Bound | undefined, high: Bound | undefined): boolean {
  if (low && (low.part.length > at || low.open)) return false;
  return !(high && high.part.length <= at && high.open);
}

function digit(digits: string, at: number): number {
  return Number(digits[at] ?? '0');
}
