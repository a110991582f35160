/**
 * Messages cut into blocks: the chat template is rendered once and the blocks are found in the rendering by offset
 * (rendered block by block, templates would repeat headers and drop turns).
 *
 * Invariants: the blocks' texts joined are the rendering; only what the template wrote is markup. A block that begins
 * with a message takes the message's header along where the end of the previous message's markup is known, and begins
 * at the content where it is not.
 */
import { BlockAttentionError } from '../../errors.ts';
import { greetingLead } from '../plan/wording.ts';
import type { ChatMessage, ChatTemplate, RenderOptions } from '../template/chat-template.ts';
import { block, markup, type PlannedBlock, plain, type Segment } from '../types.ts';
import { createMarks } from './chat-marks.ts';
import { chatShape, takesGreeting } from './chat-shape.ts';

export interface ChatPiece {
  readonly text: string;
  /** The block that begins here; absent when the piece belongs to the block before. */
  readonly starts?: Pick<PlannedBlock, 'id' | 'kind' | 'previous'> | undefined;
}

/** A message whose content is the pieces joined: no white space at its ends. */
export interface PiecedMessage {
  readonly role: ChatMessage['role'];
  readonly pieces: readonly ChatPiece[];
}

/**
 * Renders the messages, the model's turn opened at the end, and cuts the result. The very first piece starts a block.
 * A system message goes to the head of the first user message when the template has no system role.
 * @throws INVALID_TEMPLATE when the template fails, or drops, repeats or reorders contents.
 */
export function chatBlocks(
  template: ChatTemplate,
  conversation: readonly PiecedMessage[],
  context: Pick<RenderOptions, 'variables' | 'now'>,
): PlannedBlock[] {
  const options = { ...context, generationPrompt: true };
  const shape = chatShape(template, options);
  const opened = greetingFits(template, conversation, shape.systemRole, options)
    ? conversation
    : withGreetingTold(conversation);
  const messages = (shape.systemRole ? opened : withoutSystemRole(opened)).map((message) =>
    withoutReasoning(message, template),
  );
  const marks = createMarks([template.source, ...messages.flatMap(({ pieces }) => pieces.map(({ text }) => text))]);
  let count = 0;
  const marked = messages.map(({ role, pieces }) => {
    const content = pieces.map(({ text }) => marks.at(count++) + text).join('') + marks.at(count++);
    return { role, content };
  });
  const texts = marks.split(template.render(marked, options), count);
  if (texts === undefined) {
    throw new BlockAttentionError(
      'INVALID_TEMPLATE',
      'the chat template drops, cuts or repeats the content of a message, so blocks cannot be found in it: use the template "plain"',
    );
  }

  const blocks: (Pick<PlannedBlock, 'id' | 'kind' | 'previous'> & { segments: Segment[] })[] = [];
  let next = 0;
  const take = () => texts[next++] ?? '';
  let current: Segment[] = [markup(take())];
  let previous: ChatMessage['role'] | undefined;
  for (const { role, pieces } of messages) {
    for (const [index, { text: _, starts }] of pieces.entries()) {
      if (starts !== undefined && previous === undefined) {
        blocks.push({ ...starts, segments: current });
      } else if (starts !== undefined) {
        const header = index === 0 ? (current.pop()?.text ?? '') : '';
        const cut = headerStart(header, shape.tail[previous ?? 'user']);
        current.push(markup(header.slice(0, cut)));
        current = [markup(header.slice(cut))];
        blocks.push({ ...starts, segments: current });
      }
      current.push(plain(take()));
      previous = role;
    }
    current.push(markup(take()));
  }
  return blocks.map((one) => block(one.id, one.kind, one.segments, one.previous));
}

/** Where in the markup between two messages the second one's begins: behind the first one's tail and its line. */
function headerStart(between: string, tail: string | undefined): number {
  if (tail === undefined || !between.startsWith(tail)) return between.length;
  let cut = tail.length;
  while (between[cut] === '\n') cut++;
  return cut;
}

function withoutSystemRole(messages: readonly PiecedMessage[]): PiecedMessage[] {
  const [system, user, ...rest] = messages;
  if (system?.role !== 'system' || user === undefined) return [...messages];
  return [{ role: user.role, pieces: [...system.pieces, { text: '\n\n' }, ...user.pieces] }, ...rest];
}

/** Whether the template takes the conversation's first message where it is: only one of the assistant's is in doubt. */
function greetingFits(
  template: ChatTemplate,
  messages: readonly PiecedMessage[],
  systemRole: boolean,
  options: RenderOptions,
): boolean {
  const instructed = messages[0]?.role === 'system';
  if (messages[instructed ? 1 : 0]?.role !== 'assistant') return true;
  return (systemRole || !instructed) && takesGreeting(template, options, instructed);
}

/** The assistant's opening message as a part of the instruction. */
function withGreetingTold(messages: readonly PiecedMessage[]): PiecedMessage[] {
  const at = messages.findIndex(({ role }) => role === 'assistant');
  const before = messages.slice(0, at).flatMap(({ pieces }) => pieces);
  const lead = before.length === 0 ? greetingLead : `\n\n${greetingLead}`;
  const [greeting, ...others] = messages[at]?.pieces ?? [];
  const pieces = greeting ? [...before, { ...greeting, text: lead + greeting.text }, ...others] : before;
  return [{ role: 'system', pieces }, ...messages.slice(at + 1)];
}

/** Templates of reasoning models cut the reasoning out of earlier answers; done here, so that no mark is lost. */
function withoutReasoning(message: PiecedMessage, template: ChatTemplate): PiecedMessage {
  const end = '</think>';
  if (message.role !== 'assistant' || !template.source.includes(end)) return message;
  const pieces = message.pieces.map((piece) => {
    const at = piece.text.lastIndexOf(end);
    return at < 0 ? piece : { ...piece, text: piece.text.slice(at + end.length).trimStart() };
  });
  return { ...message, pieces };
}
