/** Chat messages to what the engine takes: instruction, passages, finished turns, the open question. */
import type { Passage, Turn } from '../engine/index.ts';
import { RequestError } from './request-error.ts';
import type { ChatRequest } from './request-schemas.ts';

type Message = ChatRequest['messages'][number];

export interface Conversation {
  readonly system: string | undefined;
  readonly passages: readonly Passage[];
  readonly history: readonly Turn[];
  readonly question: string;
}

/** Neighbours of one role count as one message. @throws INVALID_ARGUMENT naming the message, EMPTY_QUESTION */
export function conversationOf({ messages, documents }: Pick<ChatRequest, 'messages' | 'documents'>): Conversation {
  const passages: Passage[] = [...(documents ?? [])];
  const system: string[] = [];
  const turns: { role: 'user' | 'assistant'; text: string }[] = [];
  for (const [index, message] of messages.entries()) {
    const text = textOf(message, passages);
    if (message.role === 'system' || message.role === 'developer') {
      system.push(text);
      continue;
    }
    const last = turns.at(-1);
    if (last === undefined && message.role === 'assistant') {
      throw new RequestError(
        'INVALID_ARGUMENT',
        'the first turn is of the assistant: begin with a user message',
        at(index),
      );
    }
    if (last?.role === message.role) last.text += `\n\n${text}`;
    else turns.push({ role: message.role, text });
  }
  const question = turns.pop();
  if (question?.role !== 'user') {
    const reason = 'the last message is not a user message: end with the question';
    throw new RequestError('INVALID_ARGUMENT', reason, at(messages.length - 1));
  }
  if (question.text.trim() === '') {
    throw new RequestError(
      'EMPTY_QUESTION',
      'the last user message has no text: ask something',
      at(messages.length - 1),
    );
  }
  const history: Turn[] = [];
  for (let i = 0; i + 1 < turns.length; i += 2) {
    history.push({ user: turns[i]?.text ?? '', assistant: turns[i + 1]?.text ?? '' });
  }
  return { system: system.length > 0 ? system.join('\n\n') : undefined, passages, history, question: question.text };
}

function at(index: number): string {
  return `messages.${index}`;
}

/** The text of a message; its documents join the passages. */
function textOf({ content }: Message, passages: Passage[]): string {
  // Clients send null where an assistant's message held tool calls only.
  if (content === null || content === undefined) return '';
  if (typeof content === 'string') return content;
  const texts: string[] = [];
  for (const part of content) {
    if (part.type === 'text') texts.push(part.text);
    else passages.push(part.document);
  }
  return texts.join('\n');
}
