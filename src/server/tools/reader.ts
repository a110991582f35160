/**
 * An answer's text as words, reasoning and calls, piece by piece. Calls are JSON objects that a grammar has shaped, so
 * their name comes first and their arguments are the rest; a call that the token limit cuts off ends where it is.
 */
import { randomBytes } from 'node:crypto';
import type { ReplyPart, ReplyReader } from '../replies/reply.ts';
import type { CallFormat } from './formats.ts';

const thinkOpen = '<think>';
const thinkClose = '</think>';

/** Takes the reasoning that an answer begins with out of it. @param inner reads the rest */
export function reasoningReader(inner: ReplyReader): ReplyReader {
  let held = '';
  let state: 'begin' | 'thinking' | 'gap' | 'rest' = 'begin';
  let thought = false;
  const think = (text: string): ReplyPart[] => {
    const visible = thought ? text : text.trimStart();
    if (visible !== '') thought = true;
    return reasoning(visible);
  };
  const take = (text: string): ReplyPart[] => {
    if (state === 'rest') return inner.push(text);
    if (state === 'gap') {
      const visible = text.trimStart();
      if (visible === '') return [];
      state = 'rest';
      return inner.push(visible);
    }
    held += text;
    if (state === 'begin') {
      const seen = held.trimStart();
      if (seen.length < thinkOpen.length && thinkOpen.startsWith(seen)) return [];
      if (!seen.startsWith(thinkOpen)) {
        state = 'rest';
        return inner.push(release());
      }
      state = 'thinking';
      held = seen.slice(thinkOpen.length);
    }
    const at = held.indexOf(thinkClose);
    if (at >= 0) {
      const parts = think(held.slice(0, at).trimEnd());
      const rest = held.slice(at + thinkClose.length).trimStart();
      held = '';
      state = rest === '' ? 'gap' : 'rest';
      return rest === '' ? parts : [...parts, ...inner.push(rest)];
    }
    const certain = held.length - undecided(held);
    const told = held.slice(0, certain);
    held = held.slice(certain);
    return think(told);
  };
  const release = () => {
    const text = held;
    held = '';
    return text;
  };
  return {
    push: take,
    end: () => {
      const text = release();
      if (state === 'thinking') return [...think(text), ...inner.end()];
      return [...(text === '' ? [] : inner.push(text)), ...inner.end()];
    },
  };
}

function reasoning(text: string): ReplyPart[] {
  return text === '' ? [] : [{ type: 'reasoning', text }];
}

/** Characters at the end that may belong to the closing tag, or are blanks before it. */
function undecided(text: string): number {
  for (let length = Math.min(thinkClose.length - 1, text.length); length > 0; length--) {
    if (thinkClose.startsWith(text.slice(-length))) return length + blanksBefore(text, text.length - length);
  }
  return blanksBefore(text, text.length);
}

function blanksBefore(text: string, end: number): number {
  return text.slice(0, end).length - text.slice(0, end).trimEnd().length;
}

/** Reads words up to `open`, then calls. @param mark what stands in the text where calls begin */
export function callReader({ calls: form }: CallFormat, mark: string): ReplyReader {
  const key = form.kind === 'object' ? form.key : 'arguments';
  let held = '';
  let calling = false;
  let calls = 0;
  let object: ObjectReader | undefined;
  const read = (text: string): ReplyPart[] => {
    const parts: ReplyPart[] = [];
    held += text;
    if (!calling) {
      const at = held.indexOf(mark);
      if (at < 0) {
        const keep = overlap(held, mark);
        const said = held.slice(0, held.length - keep);
        held = held.slice(held.length - keep);
        return said === '' ? [] : [{ type: 'content', text: said }];
      }
      const said = held.slice(0, at).trimEnd();
      if (said !== '') parts.push({ type: 'content', text: said });
      held = held.slice(at + mark.length);
      calling = true;
    }
    while (held !== '') {
      if (object === undefined) {
        const at = held.indexOf('{');
        if (at < 0) {
          held = '';
          break;
        }
        held = held.slice(at);
        object = new ObjectReader(key, calls);
      }
      const { parts: more, rest, done } = object.push(held);
      parts.push(...more);
      held = rest;
      if (!done) break;
      object = undefined;
      calls += 1;
    }
    return parts;
  };
  return { push: read, end: () => (calling || held === '' ? [] : [{ type: 'content', text: held }]) };
}

/** Length of the longest end of a text that begins a mark. */
function overlap(text: string, mark: string): number {
  for (let length = Math.min(mark.length - 1, text.length); length > 0; length--) {
    if (text.endsWith(mark.slice(0, length))) return length;
  }
  return 0;
}

/** One call's object: its name, then its arguments as they come, without the brace that closes the call. */
class ObjectReader {
  readonly #key: string;
  readonly #call: number;
  readonly #id = callId();
  #head = '';
  #name: string | undefined;
  #depth = 0;
  #quoted = false;
  #escaped = false;

  constructor(key: string, call: number) {
    this.#key = key;
    this.#call = call;
  }

  push(text: string): { readonly parts: ReplyPart[]; readonly rest: string; readonly done: boolean } {
    let rest = text;
    const parts: ReplyPart[] = [];
    if (this.#name === undefined) {
      this.#head += rest;
      const found = new RegExp(`^\\{\\s*"name"\\s*:\\s*("(?:[^"\\\\]|\\\\.)*")\\s*,\\s*"${this.#key}"\\s*:\\s*`).exec(
        this.#head,
      );
      if (found === null) return { parts, rest: '', done: false };
      this.#name = String(JSON.parse(found[1] ?? '""'));
      rest = this.#head.slice(found[0].length);
      if (rest === '') parts.push(this.#part(''));
    }
    for (let i = 0; i < rest.length; i++) {
      const character = rest[i] ?? '';
      if (this.#escaped) this.#escaped = false;
      else if (this.#quoted) {
        if (character === '\\') this.#escaped = true;
        else if (character === '"') this.#quoted = false;
      } else if (character === '"') this.#quoted = true;
      else if (character === '{' || character === '[') this.#depth += 1;
      else if (character === '}' || character === ']') {
        // The brace of the call itself.
        if (this.#depth === 0)
          return { parts: [...parts, ...this.#some(rest.slice(0, i))], rest: rest.slice(i + 1), done: true };
        this.#depth -= 1;
      }
    }
    return { parts: [...parts, ...this.#some(rest)], rest: '', done: false };
  }

  #some(text: string): ReplyPart[] {
    return text === '' ? [] : [this.#part(text)];
  }

  #part(text: string): ReplyPart {
    return { type: 'call', call: this.#call, id: this.#id, name: this.#name ?? '', text };
  }
}

const alphabet = 'abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789';

/** Nine letters and digits: what the strictest template takes. */
export function callId(bytes: Uint8Array = randomBytes(9)): string {
  return Array.from(bytes.subarray(0, 9), (byte) => alphabet[byte % alphabet.length]).join('');
}
