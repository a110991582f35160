/**
 * What a model's text says: words for the reader, reasoning before them, calls of tools. A reader takes the text piece by
 * piece and gives its parts as they are certain; the doors write them in their own shapes.
 */

export type ReplyPart =
  | { readonly type: 'content' | 'reasoning'; readonly text: string }
  /** A part of the arguments' JSON of one call. The first part of a call may be empty; `call` counts from 0. */
  | { readonly type: 'call'; readonly call: number; readonly id: string; readonly name: string; readonly text: string };

export interface ReplyReader {
  push(text: string): ReplyPart[];
  /** What was held back. */
  end(): ReplyPart[];
}

/** Of a text that is words alone. */
export function plainReader(): ReplyReader {
  return { push: (text) => (text === '' ? [] : [{ type: 'content', text }]), end: () => [] };
}

/** A whole text read. */
export function readWhole(reader: ReplyReader, text: string): ReplyPart[] {
  return [...reader.push(text), ...reader.end()];
}

export interface WholeReply {
  readonly content: string;
  readonly reasoning: string;
  readonly calls: readonly { readonly id: string; readonly name: string; readonly arguments: string }[];
}

/** Parts put together. */
export function wholeReply(parts: readonly ReplyPart[]): WholeReply {
  const texts = { content: '', reasoning: '' };
  const calls: { id: string; name: string; arguments: string }[] = [];
  for (const part of parts) {
    if (part.type !== 'call') texts[part.type] += part.text;
    else {
      calls[part.call] ??= { id: part.id, name: part.name, arguments: '' };
      const call = calls[part.call];
      if (call) call.arguments += part.text;
    }
  }
  return { ...texts, calls };
}
