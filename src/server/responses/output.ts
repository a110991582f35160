/**
 * The output items of a response, built from an answer's parts, with the events that tell of them. Whole answers are
 * built in the same way and the events dropped, so both are the same.
 */
import type { ReplyPart } from '../replies/reply.ts';

export type ResponseEvent = { readonly type: string } & Readonly<Record<string, unknown>>;

interface Item extends Record<string, unknown> {
  readonly id: string;
  status?: string;
}

interface Open {
  readonly kind: ReplyPart['type'];
  readonly call: number | undefined;
  readonly item: Item;
  readonly index: number;
  text: string;
}

/** Names of a kind's events, behind `response.`. */
const deltas = { content: 'output_text', reasoning: 'reasoning_text', call: 'function_call_arguments' } as const;

export class ResponseOutput {
  readonly #id: string;
  readonly #items: Item[] = [];
  #open: Open | undefined;

  /** @param id makes the ids of items unique */
  constructor(id: string) {
    this.#id = id;
  }

  /** Items that are complete. */
  get items(): readonly object[] {
    return this.#items;
  }

  /** Texts of the messages. */
  push(part: ReplyPart): ResponseEvent[] {
    const call = part.type === 'call' ? part.call : undefined;
    const events: ResponseEvent[] = [];
    if (this.#open && (this.#open.kind !== part.type || this.#open.call !== call))
      events.push(...this.close('completed'));
    this.#open ??= this.#begin(part, call, events);
    const open = this.#open;
    if (part.text === '') return events;
    open.text += part.text;
    const more = part.type === 'content' ? { logprobs: [] } : {};
    events.push({ type: `response.${deltas[open.kind]}.delta`, ...placeOf(open), delta: part.text, ...more });
    return events;
  }

  #begin(part: ReplyPart, call: number | undefined, events: ResponseEvent[]): Open {
    const index = this.#items.length;
    const item = itemOf(part, `${this.#id}_${index}`);
    const open: Open = { kind: part.type, call, item, index, text: '' };
    events.push({ type: 'response.output_item.added', output_index: index, item: { ...item, status: 'in_progress' } });
    if (part.type === 'content') {
      events.push({ type: 'response.content_part.added', ...placeOf(open), part: textPart('') });
    }
    return open;
  }

  /** Ends the item under way. @param status `incomplete` where the answer was cut off in it */
  close(status: 'completed' | 'incomplete'): ResponseEvent[] {
    const open = this.#open;
    if (open === undefined) return [];
    this.#open = undefined;
    const { kind, item, text, index } = open;
    const events: ResponseEvent[] = [];
    if (kind === 'call') {
      item.arguments = text;
      events.push({
        type: 'response.function_call_arguments.done',
        ...placeOf(open),
        name: item.name,
        arguments: text,
      });
    } else if (kind === 'reasoning') {
      item.content = [{ type: 'reasoning_text', text }];
      events.push({ type: 'response.reasoning_text.done', ...placeOf(open), text });
    } else {
      item.content = [textPart(text)];
      events.push({ type: 'response.output_text.done', ...placeOf(open), text, logprobs: [] });
      events.push({ type: 'response.content_part.done', ...placeOf(open), part: textPart(text) });
    }
    item.status = status;
    this.#items.push(item);
    events.push({ type: 'response.output_item.done', output_index: index, item });
    return events;
  }
}

function placeOf({ item, index, kind }: Open): object {
  return { item_id: item.id, output_index: index, ...(kind !== 'call' && { content_index: 0 }) };
}

function itemOf(part: ReplyPart, id: string): Item {
  if (part.type === 'call') {
    return { id: `fc_${id}`, type: 'function_call', call_id: part.id, name: part.name, arguments: '' };
  }
  if (part.type === 'reasoning') return { id: `rs_${id}`, type: 'reasoning', summary: [], content: [] };
  return { id: `msg_${id}`, type: 'message', role: 'assistant', content: [] };
}

function textPart(text: string): object {
  return { type: 'output_text', text, annotations: [], logprobs: [] };
}
