/**
 * An answer in channels, as gpt-oss writes it, piece by piece: `analysis` is reasoning; `final`, and words in `commentary`,
 * are content. What stands before the first mark is content: the answer was begun for the model.
 */
import type { ReplyPart, ReplyReader } from '../replies/reply.ts';

const marks = /<\|(start|end|message|channel|constrain|call|return)\|>/;
const longest = '<|constrain|>'.length;

/** @param inner reads what is not a part of this, calls above all; its content is read as channels */
export function channelReader(inner: ReplyReader): ReplyReader {
  const channels = new Channels();
  const read = (parts: readonly ReplyPart[]) =>
    parts.flatMap((part) => (part.type === 'content' ? channels.push(part.text) : [part]));
  return { push: (text) => read(inner.push(text)), end: () => [...read(inner.end()), ...channels.end()] };
}

class Channels {
  #held = '';
  /** Of the message that is being read; undefined within its body. */
  #header: string | undefined;
  #type: 'content' | 'reasoning' = 'content';
  /** Whether there was content, and a message since: the next is a paragraph of its own. */
  #said = false;
  #parted = false;

  push(text: string): ReplyPart[] {
    this.#held += text;
    const parts: ReplyPart[] = [];
    for (;;) {
      const found = marks.exec(this.#held);
      const certain = found ? found.index : this.#held.length - undecided(this.#held);
      parts.push(...this.#take(this.#held.slice(0, certain)));
      this.#held = this.#held.slice(certain + (found?.[0].length ?? 0));
      if (found === null) return parts;
      this.#turn(found[1] ?? '');
    }
  }

  end(): ReplyPart[] {
    const rest = this.#held;
    this.#held = '';
    return this.#take(rest);
  }

  #take(text: string): ReplyPart[] {
    if (this.#header !== undefined) {
      this.#header += text;
      return [];
    }
    if (text === '') return [];
    const type = this.#type;
    if (type === 'reasoning') return [{ type, text }];
    const told = this.#parted && this.#said ? `\n\n${text}` : text;
    this.#said = true;
    this.#parted = false;
    return [{ type, text: told }];
  }

  #turn(mark: string): void {
    if (mark === 'message') {
      const [, channel = 'final'] = /channel\|(\w+)/.exec(this.#header ?? '') ?? [];
      this.#type = channel === 'analysis' ? 'reasoning' : 'content';
      this.#header = undefined;
      this.#parted = true;
    } else this.#header = mark === 'channel' ? `${this.#header ?? ''}channel|` : '';
  }
}

/** Characters at the end that may begin a mark. */
function undecided(text: string): number {
  const at = text.lastIndexOf('<', text.length - 1);
  if (at < 0 || text.length - at >= longest) return 0;
  return /^<(?:\|(?:[a-z]*\|?)?)?$/.test(text.slice(at)) ? text.length - at : 0;
}
