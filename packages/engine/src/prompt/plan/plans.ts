/**
 * Checked requests to plans: retrieval, dialogue, demonstrations.
 *
 * Picks the layout, refuses what cannot become a prompt, and leaves the words to formats.ts.
 */
import { BlockAttentionError } from '../../errors.ts';
import type { Tokenizer } from '../../ggml/llama/tokenizer.ts';
import { agentPlan } from '../chat/agent-blocks.ts';
import type { AgentRequest } from '../chat/agent-messages.ts';
import { optionalContent, requirePassages, requireQuestion, requireText, requireTurns } from '../input-checks.ts';
import { beginMarkup } from '../segment/reshape.ts';
import { finalChannel, speaksInChannels, thinks } from '../template/channels.ts';
import { chatTemplateFor, isBlank } from '../template/chat-template.ts';
import { type BlockPlan, block, markup, type Passage, type Turn } from '../types.ts';
import { chatFormat, type PromptContent, paperFormat, plainFormat } from './formats.ts';

/**
 * `chat`: the model's chat template. `paper`: the template of the released Block-Attention models. `plain`: for models
 * without a chat template. `auto`: `chat` if there is a chat template, else `plain`.
 */
export type PromptTemplate = 'auto' | 'chat' | 'paper' | 'plain';

const promptTemplates: readonly PromptTemplate[] = ['auto', 'chat', 'paper', 'plain'];

/** What a template stands for with a model. */
export type PromptLayout = Exclude<PromptTemplate, 'auto'>;

/** The layout that a template stands for. @throws INVALID_ARGUMENT for what is not a template */
export function promptLayout(template: PromptTemplate, hasChatTemplate: boolean): PromptLayout {
  if (!promptTemplates.includes(template)) {
    throw new BlockAttentionError(
      'INVALID_ARGUMENT',
      `template is ${JSON.stringify(template)}: use one of ${promptTemplates.join(', ')}`,
    );
  }
  if (template !== 'auto') return template;
  return hasChatTemplate ? 'chat' : 'plain';
}

export interface TemplateOptions {
  /** Defaults to `auto`. */
  readonly template?: PromptTemplate | undefined;
  /** Jinja source used instead of the model's own; a blank one is none. Defaults to the one in the model's file. */
  readonly chatTemplate?: string | undefined;
  /** Further variables of the chat template. Defaults to `{ enable_thinking: false }`, which given ones add to. */
  readonly variables?: Readonly<Record<string, unknown>> | undefined;
  /** The date a chat template may write. Defaults to the present. */
  readonly now?: Date | undefined;
  /** Puts `[Block-Attention]` in front, as the paper's training does. `paper` only. Defaults to false. */
  readonly blockPrefix?: boolean | undefined;
}

export interface RagRequest extends TemplateOptions {
  /** Defaults to the template's own instruction. */
  readonly system?: string | undefined;
  /** What the assistant said before the first question, as chat pages greet. Defaults to nothing. */
  readonly greeting?: string | undefined;
  readonly passages: readonly Passage[];
  /** Earlier questions and answers about the same passages. Defaults to none. */
  readonly history?: readonly Turn[] | undefined;
  readonly question: string;
}

/**
 * A block for what comes before the passages, one per passage, one per earlier turn, and the question. Without
 * passages it is the plan of the dialogue, and without history, too, a single block.
 *
 * The same passage gives the same block whatever its place and company.
 * @throws INVALID_PASSAGES naming the passage and field; EMPTY_QUESTION; INVALID_TEMPLATE; INVALID_ARGUMENT.
 */
export function planRag(request: RagRequest, tokenizer: Tokenizer): BlockPlan {
  const { passages, history = [] } = request;
  const plan = planContent(
    {
      system: optionalContent(request.system, 'system'),
      greeting: optionalContent(request.greeting, 'greeting'),
      passages: requirePassages(passages),
      turns: requireTurns(history, 'history'),
      turnKind: 'turn',
      question: requireQuestion(request.question),
    },
    request,
    tokenizer,
  );
  if (passages.length > 0 || history.length > 0) return plan;
  const segments = plan.blocks.flatMap((planned) => planned.segments);
  return { ...plan, blocks: [block('final', 'final', segments)] };
}

export interface DialogueRequest extends TemplateOptions {
  /** Defaults to what the template itself says, if anything. */
  readonly system?: string | undefined;
  /** Finished turns. */
  readonly turns: readonly Turn[];
  readonly question: string;
}

/**
 * A block for the system message if there is one, one per finished turn, and the open question.
 * @throws EMPTY_QUESTION; INVALID_TEMPLATE; INVALID_ARGUMENT naming the turn.
 */
export function planDialogue(request: DialogueRequest, tokenizer: Tokenizer): BlockPlan {
  const content: PromptContent = {
    system: optionalContent(request.system, 'system'),
    passages: [],
    turns: requireTurns(request.turns, 'turns'),
    turnKind: 'turn',
    question: requireQuestion(request.question),
  };
  return planContent(content, request, tokenizer);
}

export interface DemonstrationsRequest extends TemplateOptions {
  /** What the demonstrations have in common. Defaults to what the template itself says, if anything. */
  readonly instruction?: string | undefined;
  readonly demonstrations: readonly Turn[];
  readonly question: string;
}

/**
 * In-context learning: a block for the instruction if there is one, one per demonstration, and the open question.
 * @throws EMPTY_QUESTION; INVALID_TEMPLATE; INVALID_ARGUMENT naming the demonstration.
 */
export function planDemonstrations(request: DemonstrationsRequest, tokenizer: Tokenizer): BlockPlan {
  const content: PromptContent = {
    system: optionalContent(request.instruction, 'instruction'),
    passages: [],
    turns: requireTurns(request.demonstrations, 'demonstrations'),
    turnKind: 'demonstration',
    question: requireQuestion(request.question),
  };
  return planContent(content, request, tokenizer);
}

/**
 * A conversation with tools, by the model's chat template: no other layout has a place for them. Passages are a block each,
 * in front of the first question.
 * @throws INVALID_TEMPLATE, INVALID_ARGUMENT, EMPTY_QUESTION
 */
export function planAgent(
  request: AgentRequest & TemplateOptions & { readonly passages?: readonly Passage[] | undefined },
  tokenizer: Tokenizer,
): BlockPlan {
  const { template = 'auto', chatTemplate, variables, now = new Date(), messages, passages = [] } = request;
  const chosen = promptLayout(template, !isBlank(chatTemplate ?? tokenizer.chatTemplate ?? ''));
  const compiled = chosen === 'chat' ? chatTemplateFor(tokenizer, chatTemplate) : undefined;
  if (compiled === undefined || !/\btools\b/.test(compiled.source)) {
    throw new BlockAttentionError(
      'INVALID_ARGUMENT',
      'the model’s chat template has no place for tools: leave them out',
    );
  }
  if (!messages.some(({ role, content }) => role === 'user' && content.trim() !== '')) {
    throw new BlockAttentionError('EMPTY_QUESTION', 'no user message asks anything: begin with one');
  }
  for (const { content } of messages) requireText(content, 'a message');
  const context = { variables: { enable_thinking: false, ...variables }, now };
  return agentPlan(request, requirePassages(passages), compiled, context);
}

function planContent(content: PromptContent, options: TemplateOptions, tokenizer: Tokenizer): BlockPlan {
  const { template = 'auto', chatTemplate, variables, now = new Date(), blockPrefix = false } = options;
  const chosen = promptLayout(template, !isBlank(chatTemplate ?? tokenizer.chatTemplate ?? ''));
  if (blockPrefix && chosen !== 'paper') {
    throw new BlockAttentionError(
      'INVALID_ARGUMENT',
      `blockPrefix belongs to the template "paper", not "${chosen}": leave it out, or use that template`,
    );
  }
  if (chosen === 'paper') return paperFormat(content, tokenizer, blockPrefix);
  if (chosen === 'plain') return plainFormat(content);
  const context = { variables: { enable_thinking: false, ...variables }, now };
  const compiled = chatTemplateFor(tokenizer, chatTemplate);
  const plan = chatFormat(content, compiled, context);
  return speaksInChannels(compiled.source) && !thinks(variables) ? beginMarkup(plan, [markup(finalChannel)]) : plan;
}
