/**
 * Chat messages to what the engine takes: instruction, greeting, passages, finished turns, the open question, and the
 * beginning of an answer to go on with.
 *
 * A client cannot change the history that it has: whatever shape it is of, it is answered as long as it asks something.
 */
import type { Passage, Turn } from '@block-attention/engine/internal/engine';
import { RequestError } from './request-error.ts';
import type { ChatRequest } from './request-schemas.ts';

type Message = ChatRequest['messages'][number];

export interface Conversation {
  readonly system: string | undefined;
  /** What the assistant said before the first user message. */
  readonly greeting: string | undefined;
  readonly passages: readonly Passage[];
  readonly history: readonly Turn[];
  readonly question: string;
  /** The last message where it is the assistant's: the answer goes on from it. */
  readonly answerStart: string | undefined;
}

interface Said {
  readonly role: 'user' | 'assistant';
  text: string;
}

/**
 * Messages without text are passed over, then neighbours of one role count as one message. An instruction alone is the
 * question.
 * @throws EMPTY_QUESTION naming the message
 */
export function conversationOf({ messages, documents }: Pick<ChatRequest, 'messages' | 'documents'>): Conversation {
  const passages: Passage[] = [...(documents ?? [])];
  const instructions: string[] = [];
  const turns: Said[] = [];
  let last: Said | undefined;
  for (const message of messages) {
    const text = textOf(message, passages);
    if (message.role === 'system' || message.role === 'developer') {
      if (text.trim() !== '') instructions.push(text);
      continue;
    }
    // Conversations with results of tools are read by tools/request.ts.
    const role = message.role === 'assistant' ? 'assistant' : 'user';
    last = { role, text };
    if (text.trim() === '') continue;
    const before = turns.at(-1);
    if (before?.role === role) before.text += `\n\n${text}`;
    else turns.push({ role, text });
  }
  if (last?.role === 'user' && last.text.trim() === '') {
    throw new RequestError('EMPTY_QUESTION', 'the last user message has no text: ask something', at(messages));
  }
  const answerStart = turns.at(-1)?.role === 'assistant' ? turns.pop()?.text : undefined;
  const greeting = turns[0]?.role === 'assistant' ? turns.shift()?.text : undefined;
  const instruction = instructions.length > 0 ? instructions.join('\n\n') : undefined;
  const question = turns.pop()?.text;
  const asked = question ?? instruction;
  if (asked === undefined) {
    throw new RequestError('EMPTY_QUESTION', 'no message asks anything: end with a user message', at(messages));
  }
  const history: Turn[] = [];
  for (let i = 0; i + 1 < turns.length; i += 2) {
    history.push({ user: turns[i]?.text ?? '', assistant: turns[i + 1]?.text ?? '' });
  }
  const system = question === undefined ? undefined : instruction;
  return { system, greeting, passages, history, question: asked, answerStart };
}

function at(messages: readonly Message[]): string {
  return `messages.${messages.length - 1}`;
}

/** The text of a message; its documents join the passages. */
function textOf({ content }: Message, passages: Passage[]): string {
  // Clients send null where an assistant's message held tool calls only.
  if (content === null || content === undefined) return '';
  if (typeof content === 'string') return content;
  const texts: string[] = [];
  for (const part of content) {
    if (part.type === 'text') texts.push(part.text);
    else if (part.type === 'refusal') texts.push(part.refusal);
    else passages.push(part.document);
  }
  return texts.join('\n');
}
