/**
 * Tokens to text: pieces end on UTF-8 boundaries, and nothing that could be the beginning of a stop string is given
 * out before it is decided.
 */
import { BlockAttentionError } from '../../errors.ts';

const mostStops = 128;
/** Every piece of an answer is compared with every beginning of a stop string: what is longer costs more than it ends. */
const longestStop = 512;

/** @throws INVALID_ARGUMENT for more than 128 stop strings, an empty one, and one of more than 512 characters. */
export function checkStops(stops: readonly string[]): void {
  if (stops.length > mostStops) {
    throw new BlockAttentionError('INVALID_ARGUMENT', `${stops.length} stop strings: give at most ${mostStops}`);
  }
  const bad = stops.findIndex((stop) => typeof stop !== 'string' || stop === '');
  if (bad !== -1) throw new BlockAttentionError('INVALID_ARGUMENT', `stop[${bad}] is empty: give text`);
  const long = stops.findIndex((stop) => stop.length > longestStop);
  if (long === -1) return;
  const length = stops[long]?.length ?? 0;
  throw new BlockAttentionError(
    'INVALID_ARGUMENT',
    `stop[${long}] has ${length} characters: give at most ${longestStop}`,
  );
}

export class TextAssembler {
  readonly #decoder = new TextDecoder('utf-8');
  readonly #stops: readonly string[];
  #held = '';
  #text = '';
  #stopped = false;
  #stopText: string | undefined;
  #space: boolean;

  /** @param afterSpace drops a space that the text begins with */
  constructor(stops: readonly string[] = [], afterSpace = false) {
    checkStops(stops);
    this.#stops = stops;
    this.#space = afterSpace;
  }

  /** Everything given out so far. */
  get text(): string {
    return this.#text;
  }

  /** Whether a stop string occurred: it and what follows is dropped. */
  get stopped(): boolean {
    return this.#stopped;
  }

  /** The stop string that occurred. */
  get stopText(): string | undefined {
    return this.#stopText;
  }

  /** Whether text is held back that may be the beginning of a stop string. */
  get holds(): boolean {
    return this.#held !== '';
  }

  /** Takes a token's bytes, returns the text that is certain now, possibly empty. */
  push(bytes: Uint8Array): string {
    return this.#take(this.#decoder.decode(bytes, { stream: true }));
  }

  /** The rest, once no more tokens follow. Bytes of an unfinished character become U+FFFD. */
  finish(): string {
    if (this.#stopped) return '';
    const rest = this.#take(this.#decoder.decode()) + (this.#stopped ? '' : this.#held);
    if (!this.#stopped) this.#text += this.#held;
    this.#held = '';
    return rest;
  }

  #take(decoded: string): string {
    if (this.#stopped) return '';
    this.#held += this.#space && decoded.startsWith(' ') ? decoded.slice(1) : decoded;
    if (decoded !== '') this.#space = false;
    let end = -1;
    for (const stop of this.#stops) {
      const at = this.#held.indexOf(stop);
      if (at === -1 || (end !== -1 && at >= end)) continue;
      end = at;
      this.#stopText = stop;
    }
    if (end !== -1) this.#stopped = true;
    const certain = end === -1 ? this.#held.length - this.#undecided() : end;
    const piece = this.#held.slice(0, certain);
    this.#held = this.#stopped ? '' : this.#held.slice(certain);
    this.#text += piece;
    return piece;
  }

  /** Length of the longest tail that begins a stop string. */
  #undecided(): number {
    let longest = 0;
    for (const stop of this.#stops) {
      for (let n = Math.min(stop.length - 1, this.#held.length); n > longest; n--) {
        if (this.#held.endsWith(stop.slice(0, n))) longest = n;
      }
    }
    return longest;
  }
}
