/**
 * What can be learnt about a chat template from short samples, once: whether it takes a system message, and what it
 * writes after a system message and after an answer. The second tells where one turn's markup ends and the next
 * one's begins; all text of a prompt still comes from the prompt's own, single rendering.
 */
import { BlockAttentionError } from '../../errors.ts';
import type { ChatMessage, ChatTemplate, RenderOptions } from '../template/chat-template.ts';
import { createMarks } from './chat-marks.ts';

export interface ChatShape {
  /** False when the template refuses a system message or leaves it out. */
  readonly systemRole: boolean;
  /** Markup that closes a message of this role; undefined when it cannot be told. */
  readonly tail: Readonly<Record<'system' | 'user' | 'assistant', string | undefined>>;
}

/** Content that begins in lower case and repeats nothing, so that a rewriting template shows. */
const samples: Readonly<Record<ChatMessage['role'], ChatMessage>> = {
  system: { role: 'system', content: 'you speak of herons and nothing else' },
  user: { role: 'user', content: 'why do they stand on one leg?' },
  assistant: { role: 'assistant', content: 'one cold foot is better than two.' },
};

/** The texts around and in the samples' contents, or undefined when the template does not take them as they are. */
function sample(
  template: ChatTemplate,
  roles: readonly ChatMessage['role'][],
  options: RenderOptions,
): string[] | undefined {
  const messages = roles.map((role) => samples[role]);
  const marks = createMarks([template.source]);
  const marked = messages.map(({ role, content }, index) => ({
    role,
    content: `${marks.at(2 * index)}${content}${marks.at(2 * index + 1)}`,
  }));
  const rendered = template.render(marked, options);
  const texts = marks.split(rendered, 2 * messages.length);
  return marks.remove(rendered) === template.render(messages, options) ? texts : undefined;
}

function attempt<T>(work: () => T): T | undefined {
  try {
    return work();
  } catch (error) {
    if (BlockAttentionError.isInstance(error) && error.code === 'INVALID_TEMPLATE') return undefined;
    throw error;
  }
}

function learn(template: ChatTemplate, options: RenderOptions): ChatShape {
  if (sample(template, ['user'], { ...options, generationPrompt: true }) === undefined) {
    throw new BlockAttentionError(
      'INVALID_TEMPLATE',
      'the chat template does not show a message as it was written, so passages cannot be found in it: use the template "plain"',
    );
  }
  const take = (roles: readonly ChatMessage['role'][], generationPrompt = true) =>
    attempt(() => sample(template, roles, { ...options, generationPrompt }));
  const afterSystem = take(['system', 'user']);
  const afterAnswer = take(['user', 'assistant', 'user']);
  const both = take(['system', 'user', 'assistant', 'user']);
  const tail = (end: string | undefined, between: string | undefined) => {
    if (end === undefined || between === undefined) return undefined;
    const { eosToken } = template;
    const candidates = [end, end.endsWith(eosToken) ? end.slice(0, end.length - eosToken.length) : end];
    return candidates.find((candidate) => between.startsWith(candidate));
  };
  return {
    // Some templates move the system message to the last question: no block of its own, and of no use to history.
    systemRole: afterSystem !== undefined && (both !== undefined || afterAnswer === undefined),
    tail: {
      system: tail(take(['system'], false)?.[2], afterSystem?.[2]),
      user: undefined,
      assistant: tail(take(['user', 'assistant'], false)?.[4], afterAnswer?.[4]),
    },
  };
}

/** Whether a conversation may begin with the assistant. Many templates want the user's message first, and raise. */
export function takesGreeting(template: ChatTemplate, options: RenderOptions, behindSystem: boolean): boolean {
  const roles = ['assistant', 'user'] as const;
  return attempt(() => sample(template, behindSystem ? ['system', ...roles] : roles, options)) !== undefined;
}

const known = new WeakMap<ChatTemplate, Map<string, ChatShape>>();
const maxKnown = 16;

/** The shape of a template under these variables. @throws INVALID_TEMPLATE when passages cannot be found in it. */
export function chatShape(template: ChatTemplate, options: RenderOptions): ChatShape {
  const shapes = known.get(template) ?? new Map<string, ChatShape>();
  known.set(template, shapes);
  const key = JSON.stringify(options.variables);
  const shape = shapes.get(key) ?? learn(template, options);
  if (shapes.size >= maxKnown) shapes.clear();
  shapes.set(key, shape);
  return shape;
}
