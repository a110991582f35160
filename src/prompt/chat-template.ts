/**
 * A model's Jinja chat template, compiled once and rendered within bounds.
 *
 * The template comes with the model, so it is treated as someone else's program: its size, its loops and its running
 * time are limited, and whatever goes wrong in it is INVALID_TEMPLATE. Knows nothing of blocks.
 */
import { Environment, Interpreter, parse, tokenize } from '@huggingface/jinja';
import { BlockAttentionError } from '../errors.ts';
import type { Tokenizer } from '../ggml/tokenizer.ts';
import { templateGlobals } from './template-globals.ts';

export interface ChatMessage {
  readonly role: 'system' | 'user' | 'assistant';
  readonly content: string;
}

export interface RenderOptions {
  /** Whether the rendering ends where the model's answer begins. */
  readonly generationPrompt: boolean;
  /** Further template variables, such as `enable_thinking`. */
  readonly variables: Readonly<Record<string, unknown>>;
  /** What `strftime_now` formats. */
  readonly now: Date;
}

const maxTemplateChars = 1 << 20;
const maxRenderMs = 2_000;
/** What a template may write beside the contents it is given. */
const maxMarkupChars = 1 << 24;

function orRefuse<T>(what: string, work: () => T): T {
  try {
    return work();
  } catch (error) {
    if (BlockAttentionError.isInstance(error)) throw error;
    const reason = error instanceof Error ? error.message : String(error);
    throw new BlockAttentionError('INVALID_TEMPLATE', `the chat template cannot be ${what}: ${reason}`, {
      cause: error,
    });
  }
}

/** The parts of the template library used here: its own declarations do not resolve under `nodenext`. */
interface TemplateEnvironment {
  set(name: string, value: unknown): void;
}
interface TemplateInterpreter {
  run(program: unknown): { readonly value: unknown };
  evaluate(step: unknown, environment: unknown): unknown;
}
const LibraryInterpreter = Interpreter as new (environment: TemplateEnvironment) => TemplateInterpreter;

/**
 * Ends a template that takes too long. A step runs no loop but over a value it is given, and `range` makes no long one,
 * so looking at the clock before each is enough; a timeout of node:vm would start a thread for every prompt.
 */
class TimedInterpreter extends LibraryInterpreter {
  readonly #end = performance.now() + maxRenderMs;

  override evaluate(step: unknown, environment: unknown): unknown {
    if (performance.now() > this.#end) throw new Error(`it timed out after ${maxRenderMs} ms`);
    return super.evaluate(step, environment);
  }
}

export class ChatTemplate {
  readonly source: string;
  readonly #bosToken: string;
  /** Text of the end-of-sequence token; empty when the model has none. */
  readonly eosToken: string;
  readonly #program: unknown;

  /** @throws INVALID_TEMPLATE when the source does not parse. */
  constructor(source: string, tokens: { readonly bos: string; readonly eos: string }) {
    if (source.length > maxTemplateChars) {
      throw new BlockAttentionError(
        'INVALID_TEMPLATE',
        `the chat template has ${source.length} characters: at most ${maxTemplateChars} are allowed`,
      );
    }
    this.source = source;
    this.#bosToken = tokens.bos;
    this.eosToken = tokens.eos;
    this.#program = orRefuse('parsed', () => parse(tokenize(source, { lstrip_blocks: true, trim_blocks: true })));
  }

  /** @throws INVALID_TEMPLATE when the template raises or fails, takes over two seconds, or writes over 16 Mi characters. */
  render(messages: readonly ChatMessage[], { generationPrompt, variables, now }: RenderOptions): string {
    return orRefuse('rendered', () => {
      const environment: TemplateEnvironment = new Environment();
      const values = {
        // What transformers passes when a conversation has none; templates test for it.
        tools: null,
        documents: null,
        ...variables,
        ...templateGlobals(now),
        messages: messages.map((message) => ({ ...message })),
        bos_token: this.#bosToken,
        eos_token: this.eosToken,
        add_generation_prompt: generationPrompt,
      };
      for (const [name, value] of Object.entries(values)) environment.set(name, value);
      const rendered = new TimedInterpreter(environment).run(this.#program).value;
      if (typeof rendered !== 'string') throw new Error('its result is not text');
      const given = messages.reduce((sum, { content }) => sum + content.length, 0);
      if (rendered.length > given + maxMarkupChars) {
        throw new Error(
          `it makes ${rendered.length} characters of ${given}: at most ${maxMarkupChars} more are allowed`,
        );
      }
      return rendered;
    });
  }
}

/** Compiled templates by source, the most recent last. */
const compiled = new Map<string, ChatTemplate>();
const maxCompiled = 16;

/**
 * The chat template to use with a tokenizer. Defaults to the one in the model's file.
 * @throws INVALID_TEMPLATE when there is none, or it does not parse.
 */
export function chatTemplateFor(tokenizer: Tokenizer, source = tokenizer.chatTemplate): ChatTemplate {
  if (source === undefined) {
    throw new BlockAttentionError(
      'INVALID_TEMPLATE',
      'the model has no chat template: pass one, or use the template "plain"',
    );
  }
  const text = (token: number | undefined) => (token === undefined ? '' : tokenizer.tokenText(token));
  const tokens = { bos: text(tokenizer.bos), eos: text(tokenizer.eos) };
  const key = JSON.stringify([source, tokens]);
  const known = compiled.get(key) ?? new ChatTemplate(source, tokens);
  compiled.delete(key);
  compiled.set(key, known);
  const oldest = compiled.keys().next();
  if (compiled.size > maxCompiled && oldest.done !== true) compiled.delete(oldest.value);
  return known;
}
