/**
 * A model's Jinja chat template, compiled once and rendered within bounds.
 *
 * The template comes with the model, so it is treated as someone else's program: its size and its work are limited
 * (template-work.ts), and whatever goes wrong in it is INVALID_TEMPLATE. Knows nothing of blocks.
 */
import { BlockAttentionError } from '../../errors.ts';
import type { Tokenizer } from '../../ggml/llama/tokenizer.ts';
import { shorten, templateGlobals } from './template-globals.ts';
import { TemplateInterpreter } from './template-interpreter.ts';
import { createScope, isList, parseTemplate, type TemplateNode, type Value } from './template-library.ts';
import { TemplateWork } from './template-work.ts';

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
  /** Definitions of tools, and what is written around each where the template writes it as JSON. Defaults to none. */
  readonly tools?: { readonly values: readonly object[]; readonly frame: (index: number) => readonly [string, string] };
}

/** A message with whatever fields its template reads. */
export type TemplateMessage = Readonly<Record<string, unknown>> & { readonly role: string };

const maxTemplateChars = 1 << 20;
/** The library's reader takes the square of a run of white space. */
const longestBlank = 1 << 13;

/** What goes wrong in someone else's program is its fault, whatever was thrown. */
function attempt<T>(what: string, work: () => T): T {
  try {
    return work();
  } catch (error) {
    if (BlockAttentionError.isInstance(error)) throw error;
    const reason = error instanceof Error ? error.message : String(error);
    throw new BlockAttentionError('INVALID_TEMPLATE', `the chat template cannot be ${what}: ${shorten(reason)}`, {
      cause: error,
    });
  }
}

export class ChatTemplate {
  readonly source: string;
  readonly #bosToken: string;
  /** Text of the end-of-sequence token; empty when the model has none. */
  readonly eosToken: string;
  readonly #program: TemplateNode;

  /** @throws INVALID_TEMPLATE when the source does not parse. */
  constructor(source: string, tokens: { readonly bos: string; readonly eos: string }) {
    if (source.length > maxTemplateChars) {
      throw new BlockAttentionError(
        'INVALID_TEMPLATE',
        `the chat template has ${source.length} characters: at most ${maxTemplateChars} are allowed`,
      );
    }
    // As Jinja reads it, which a template saved on Windows relies on.
    this.source = source.replaceAll(/\r\n?/g, '\n');
    this.#bosToken = tokens.bos;
    this.eosToken = tokens.eos;
    const blank = longestRun(this.source);
    if (blank > longestBlank) {
      throw new BlockAttentionError(
        'INVALID_TEMPLATE',
        `the chat template cannot be parsed: it has ${blank} blanks in a row: at most ${longestBlank} are allowed`,
      );
    }
    this.#program = attempt('parsed', () => parseTemplate(this.source));
  }

  /** @throws INVALID_TEMPLATE when the template raises or fails, works without end, or makes texts without bound. */
  render(
    messages: readonly (ChatMessage | TemplateMessage)[],
    { generationPrompt, variables, now, tools }: RenderOptions,
  ): string {
    return attempt('rendered', () => {
      const scope = createScope();
      const values = {
        // What transformers passes when a conversation has none; templates test for it.
        tools: null,
        documents: null,
        ...variables,
        ...(tools && tools.values.length > 0 && { tools: tools.values }),
        ...templateGlobals(now),
        messages: messages.map((message) => ({ ...message })),
        bos_token: this.#bosToken,
        eos_token: this.eosToken,
        add_generation_prompt: generationPrompt,
      };
      const framed = new Map<Value, readonly [string, string]>();
      for (const [name, value] of Object.entries(values)) {
        const made = scope.set(name, value);
        if (tools === undefined || name !== 'tools' || !isList(made)) continue;
        for (const [index, tool] of made.value.entries()) framed.set(tool, tools.frame(index));
      }
      const given =
        messages.reduce((sum, message) => sum + contentSize(message), 0) +
        sizeOf(variables) +
        (tools === undefined ? 0 : sizeOf({ tools: tools.values }));
      const work = new TemplateWork(given, messages.length);
      const rendered = new TemplateInterpreter(scope, work, this.source.length, framed).run(this.#program).value;
      if (typeof rendered !== 'string') throw new Error('its result is not text');
      return rendered;
    });
  }
}

/** Characters of a message that a template may write, its role aside. */
function contentSize(message: ChatMessage | TemplateMessage): number {
  const fields = Object.entries(message).filter(([name]) => name !== 'role');
  return fields.reduce<number>(
    (sum, [, field]) => sum + (typeof field === 'string' ? field.length : JSON.stringify(field ?? '').length),
    0,
  );
}

/** Characters of the variables beside a conversation. */
function sizeOf(variables: Readonly<Record<string, unknown>>): number {
  return Object.keys(variables).length === 0 ? 0 : JSON.stringify(variables).length;
}

function longestRun(source: string): number {
  let longest = 0;
  for (const [run] of source.matchAll(/\s+/g)) longest = Math.max(longest, run.length);
  return longest;
}

/** Files say so that a model has no chat template. */
export function isBlank(template: string): boolean {
  return template.trim() === '';
}

/** Compiled templates by source, the most recent last. */
const compiled = new Map<string, ChatTemplate>();
const maxCompiled = 16;

/**
 * The chat template to use with a tokenizer. Defaults to the one in the model's file.
 * @throws INVALID_TEMPLATE when there is none, or it does not parse.
 */
export function chatTemplateFor(tokenizer: Tokenizer, source = tokenizer.chatTemplate): ChatTemplate {
  if (source === undefined || isBlank(source)) {
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
