/**
 * Parses a GBNF grammar into plain rules, exactly as libllama does, but with errors that say where.
 *
 * libllama prints a bad grammar to stderr, and some it takes make it loop or abort. So a grammar is read here first,
 * and grammar-check.ts decides on these rules whether libllama may see it. Repetitions are written out as libllama
 * writes them out: `S{1,3}` becomes `S S2`, `S2 ::= S S1 |`, `S1 ::= S |`.
 */
import { BlockAttentionError } from '../../errors.ts';

/** A terminal (null: which one does not matter here), or the index of a rule. */
export type GrammarElement = number | null;
/** An alternative of a rule: elements in order; none for the empty text. */
export type Alternative = readonly GrammarElement[];

export interface GrammarRules {
  /** By index. A rule that is used but not defined is undefined. */
  readonly rules: readonly (readonly Alternative[] | undefined)[];
  /** Index of a rule by its name in the grammar. */
  readonly names: ReadonlyMap<string, number>;
}

const maxBytes = 1 << 20;
const maxDepth = 200;
const maxElements = 200_000;
/** libllama's own limit on repetitions. */
const maxRepeats = 2000;

/** @throws INVALID_GRAMMAR with line and column. */
export function parseGrammar(text: string): GrammarRules {
  return new Parser(text).parse();
}

class Parser {
  readonly #text: string;
  readonly #names = new Map<string, number>();
  readonly #rules: (Alternative[] | undefined)[] = [];
  #at = 0;
  #elements = 0;

  constructor(text: string) {
    this.#text = text;
  }

  parse(): GrammarRules {
    if (this.#text.length > maxBytes) throw this.#error(`more than ${maxBytes} characters`);
    const nul = this.#text.search(/\0|\p{Surrogate}/u);
    if (nul >= 0) {
      this.#at = nul;
      throw this.#error('a NUL character or a lone surrogate');
    }
    this.#space(true);
    while (this.#at < this.#text.length) this.#rule();
    return { rules: this.#rules, names: this.#names };
  }

  #rule(): void {
    const index = this.#named(this.#match(/[a-zA-Z0-9-]+/y, 'the name of a rule'));
    this.#space(false);
    this.#match(/::=/y, '"::="');
    this.#space(true);
    this.#rules[index] = this.#alternatives(0);
    if (this.#at < this.#text.length) this.#match(/\r\n|\r|\n/y, 'a new line or the end');
    this.#space(true);
  }

  #alternatives(depth: number): Alternative[] {
    if (depth > maxDepth) throw this.#error(`parentheses nested more than ${maxDepth} deep`);
    const out = [this.#sequence(depth)];
    while (this.#peek() === '|') {
      this.#at++;
      this.#space(true);
      out.push(this.#sequence(depth));
    }
    return out;
  }

  #sequence(depth: number): Alternative {
    const out: GrammarElement[] = [];
    /** Where the element starts that a following repetition repeats. */
    let last = 0;
    let repeated = 1;
    for (;;) {
      const c = this.#peek();
      const range = repetition(c) ?? (c === '{' ? this.#range(depth) : undefined);
      if (range !== undefined) {
        if (c !== '{') this.#at++;
        this.#space(depth > 0);
        repeated = this.#repeat(out, last, repeated, range);
        continue;
      }
      const start = out.length;
      const made = this.#made();
      if (!this.#element(c, out, depth)) return out;
      this.#count(out.length - start);
      last = start;
      repeated = c === '(' ? Math.max(1, this.#made() - made) : 1;
      this.#space(depth > 0);
    }
  }

  /** Reads one element that is not a repetition; false when none starts here. */
  #element(c: string, out: GrammarElement[], depth: number): boolean {
    if (c === '"') this.#literal(out);
    else if (c === '[') this.#characterClass(out);
    else if (c === '.') this.#single(out);
    else if (c === '<' || c === '!') {
      // libllama lets a longer token run over such a reference, and aborts when it is told of it.
      throw this.#error('tokens such as <name> are not supported: spell the text');
    } else if (c === '(') this.#group(out, depth);
    else if (/^[a-zA-Z0-9-]/.test(c)) out.push(this.#named(this.#match(/[a-zA-Z0-9-]+/y, 'a name')));
    else return false;
    return true;
  }

  #literal(out: GrammarElement[]): void {
    this.#at++;
    while (this.#peek() !== '"') {
      this.#character();
      out.push(null);
    }
    this.#at++;
  }

  #characterClass(out: GrammarElement[]): void {
    this.#at++;
    if (this.#peek() === '^') this.#at++;
    if (this.#peek() === ']') throw this.#error('a character class without characters');
    while (this.#peek() !== ']') {
      this.#character();
      this.#count(1);
      if (this.#peek() === '-' && this.#text[this.#at + 1] !== ']') {
        this.#at++;
        this.#character();
      }
    }
    this.#at++;
    out.push(null);
  }

  #single(out: GrammarElement[]): void {
    this.#at++;
    out.push(null);
  }

  #group(out: GrammarElement[], depth: number): void {
    this.#at++;
    this.#space(true);
    const index = this.#rules.push(undefined) - 1;
    this.#rules[index] = this.#alternatives(depth + 1);
    this.#match(/\)/y, '")"');
    out.push(index);
  }

  #range(depth: number): readonly [number, number] {
    const whole = () => Number(this.#match(/\d{1,9}/y, 'a number'));
    this.#at++;
    this.#space(depth > 0);
    const min = whole();
    let max = min;
    this.#space(depth > 0);
    if (this.#peek() === ',') {
      this.#at++;
      this.#space(depth > 0);
      max = /\d/.test(this.#peek()) ? whole() : Number.POSITIVE_INFINITY;
      this.#space(depth > 0);
    }
    this.#match(/\}/y, '"}"');
    if (min > max) throw this.#error(`a repetition of at least ${min} and at most ${max}`);
    return [min, max];
  }

  #repeat(out: GrammarElement[], last: number, repeated: number, [min, max]: readonly [number, number]): number {
    if (last === out.length) throw this.#error('a repetition of nothing');
    const bounded = Number.isFinite(max) && max <= maxRepeats;
    const total = repeated * Math.max(1, bounded && max > 0 ? max : min);
    if (min > maxRepeats || total > maxRepeats) throw this.#error(`more than ${maxRepeats} repetitions`);
    const piece = out.splice(last);
    for (let i = 0; i < min; i++) out.push(...piece);
    const optional = bounded ? max - min : 1;
    this.#count(piece.length * Math.max(0, min - 1) + (piece.length + 2) * optional);
    let rest: number | undefined;
    for (let i = 0; i < optional; i++) {
      const index = this.#rules.push(undefined) - 1;
      const next = bounded ? rest : index;
      this.#rules[index] = [next === undefined ? piece : [...piece, next], []];
      rest = index;
    }
    if (rest !== undefined) out.push(rest);
    return total;
  }

  #character(): void {
    this.#match(
      /\\(?:x[0-9a-fA-F]{2}|u[0-9a-fA-F]{4}|U[0-9a-fA-F]{8}|[trn\\"[\]-])|[^\\]/uy,
      'a character, or an escape such as \\n, \\\\, \\" or \\x41',
    );
  }

  #named(name: string): number {
    let index = this.#names.get(name);
    if (index === undefined) {
      index = this.#rules.push(undefined) - 1;
      this.#names.set(name, index);
    }
    return index;
  }

  #made(): number {
    return this.#rules.length;
  }

  #count(elements: number): void {
    this.#elements += elements;
    if (this.#elements > maxElements) throw this.#error(`repetitions that unfold to over ${maxElements} elements`);
  }

  #space(newlines: boolean): void {
    const pattern = newlines ? /(?:[ \t\r\n]|#[^\r\n]*)*/y : /(?:[ \t]|#[^\r\n]*)*/y;
    pattern.lastIndex = this.#at;
    this.#at += pattern.exec(this.#text)?.[0].length ?? 0;
  }

  #peek(): string {
    return this.#text[this.#at] ?? '';
  }

  #match(pattern: RegExp, expected: string): string {
    pattern.lastIndex = this.#at;
    const found = pattern.exec(this.#text)?.[0];
    if (found === undefined) throw this.#error(`expected ${expected}`);
    this.#at += found.length;
    return found;
  }

  #error(reason: string): BlockAttentionError {
    const before = this.#text.slice(0, this.#at).split('\n');
    const column = (before.at(-1)?.length ?? 0) + 1;
    return new BlockAttentionError('INVALID_GRAMMAR', `grammar line ${before.length}, column ${column}: ${reason}`);
  }
}

function repetition(c: string): readonly [number, number] | undefined {
  if (c === '*') return [0, Number.POSITIVE_INFINITY];
  if (c === '+') return [1, Number.POSITIVE_INFINITY];
  if (c === '?') return [0, 1];
  return undefined;
}
