/**
 * A model's Jinja chat template, compiled once and rendered within bounds.
 *
 * The template comes with the model, so it is treated as someone else's program: its size, its loops and its running
 * time are limited, and whatever goes wrong in it is INVALID_TEMPLATE. Knows nothing of blocks.
 */
import { createContext, Script } from 'node:vm';
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

/**
 * Runs synchronous work, ending it when it takes too long: the only way to stop a loop from within its thread. It starts a
 * thread, 0.4 ms for every prompt; a look at the clock between steps would not end a regular expression, and those of the
 * parser can take minutes. Nothing ends a search of V8's own for a long text, as in `split`.
 */
const workbench = createContext({ work: () => {} });
const runWork = new Script('work()');

function bounded<T>(what: string, work: () => T): T {
  let result: { value: T } | undefined;
  workbench.work = () => {
    result = { value: work() };
  };
  try {
    runWork.runInContext(workbench, { timeout: maxRenderMs });
  } catch (error) {
    if (BlockAttentionError.isInstance(error)) throw error;
    throw new BlockAttentionError('INVALID_TEMPLATE', `the chat template cannot be ${what}: ${reasonOf(error)}`, {
      cause: error,
    });
  } finally {
    workbench.work = undefined;
  }
  if (result === undefined) throw new BlockAttentionError('INVALID_TEMPLATE', `the chat template was not ${what}`);
  return result.value;
}

/** The error of a timeout belongs to the other context, so it is no `Error` of this one. */
function reasonOf(error: unknown): string {
  return typeof error === 'object' && error !== null && 'message' in error ? String(error.message) : String(error);
}

/** The part of the template library used here: its own declarations do not resolve under `nodenext`. */
interface TemplateEnvironment {
  set(name: string, value: unknown): void;
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
    this.#program = bounded('parsed', () => parse(tokenize(source, { lstrip_blocks: true, trim_blocks: true })));
  }

  /** @throws INVALID_TEMPLATE when the template raises or fails, takes over two seconds, or writes over 16 Mi characters. */
  render(messages: readonly ChatMessage[], { generationPrompt, variables, now }: RenderOptions): string {
    return bounded('rendered', () => {
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
      const rendered: unknown = new Interpreter(environment).run(this.#program).value;
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
