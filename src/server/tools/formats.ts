/**
 * How models of a family write calls of tools: what begins a call, what a call looks like, what ends it. Told by the chat
 * template, which shows the model earlier calls in the same way. A family that is not here gets no tools.
 */
import { speaksInChannels } from '@block-attention/engine/internal/prompt';

export interface CallFormat {
  readonly name: 'hermes' | 'llama' | 'mistral' | 'mistral-args' | 'harmony';
  /** Texts at which the model turns to calling. */
  readonly triggers: readonly string[];
  /** Whether a trigger behind these words turns to calling; else it is one of them. */
  readonly turns: (said: string) => boolean;
  readonly calls: ObjectCalls | NamedCalls;
}

/** Calls that are JSON objects, with name and arguments in them. */
export interface ObjectCalls {
  readonly kind: 'object';
  /** What the calls begin with, as markup behind the answer so far. */
  readonly open: string;
  /** Key of the arguments, beside `name`. */
  readonly key: 'arguments' | 'parameters';
  /** GBNF of all calls behind `open`, of the rule of one. @param several whether more than one may be made */
  readonly grammar: (call: string, several: boolean) => string;
}

/** Calls that are a name, then markup, then the arguments as JSON. */
export interface NamedCalls {
  readonly kind: 'named';
  /** Markup before the name, behind these words. */
  readonly open: (said: string) => string;
  /** Character behind the name, which no name has: it ends the choice of one. */
  readonly end: string;
  /** Markup between name and arguments. @param id of the call */
  readonly middle: (id: string) => string;
  /** What the model writes where another call follows; undefined where none may. */
  readonly next: string | undefined;
}

const always = () => true;

const formats: readonly (CallFormat & { readonly is: (template: string) => boolean })[] = [
  {
    // <|channel|>commentary to=functions.name <|constrain|>json<|message|>{…}: gpt-oss. The receiver may also be named in
    // front of the channel; it counts in a message's header alone.
    name: 'harmony',
    is: (template) => speaksInChannels(template) && /\bfunctions\b/.test(template),
    triggers: [' to=functions.'],
    turns: inHeader,
    calls: {
      kind: 'named',
      open: (said) => (/<\|channel\|>\w+\s*$/.test(said) ? ' to=functions.' : '<|channel|>commentary to=functions.'),
      end: ' ',
      middle: () => ' <|constrain|>json<|message|>',
      next: undefined,
    },
  },
  {
    // <tool_call>\n{"name": …, "arguments": …}\n</tool_call>: Hermes, Qwen 2.5 and 3, SmolLM3.
    name: 'hermes',
    // <function=…> is another way, of XML.
    is: (template) => template.includes('<tool_call>') && !template.includes('<function='),
    triggers: ['<tool_call>'],
    turns: always,
    calls: {
      kind: 'object',
      open: '<tool_call>\n',
      key: 'arguments',
      grammar: (call, several) => {
        const more = several ? ` ("\\n</tool_call>\\n<tool_call>\\n" ${call})*` : '';
        return `${call}${more} "\\n</tool_call>"`;
      },
    },
  },
  {
    // [TOOL_CALLS]name[ARGS]{…}, repeated: Mistral since Small 3.2, which puts [CALL_ID] and an id between.
    name: 'mistral-args',
    is: (template) => template.includes('[TOOL_CALLS]') && template.includes('[ARGS]'),
    triggers: ['[TOOL_CALLS]'],
    turns: always,
    calls: {
      kind: 'named',
      open: () => '[TOOL_CALLS]',
      end: '{',
      middle: () => '[ARGS]',
      next: '[TOOL_CALLS]',
    },
  },
  {
    // [TOOL_CALLS] [{"name": …, "arguments": …}]: Mistral before.
    name: 'mistral',
    is: (template) => template.includes('[TOOL_CALLS]'),
    triggers: ['[TOOL_CALLS]'],
    turns: always,
    calls: {
      kind: 'object',
      open: '[TOOL_CALLS] [',
      key: 'arguments',
      grammar: (call, several) => `${call}${several ? ` (", " ${call})*` : ''} "]"`,
    },
  },
  {
    // {"name": …, "parameters": …}, the answer alone: Llama 3.1 and later, some behind <|python_tag|> or with the type first.
    name: 'llama',
    is: (template) => template.includes('"parameters": ') && template.includes('<|eot_id|>'),
    triggers: ['{"name"', '{ "name"', '{"type"', '{"function"', '<|python_tag|>'],
    turns: (said) => said.trim() === '',
    calls: { kind: 'object', open: '', key: 'parameters', grammar: (call) => call },
  },
];

/** How the model of this template calls tools; undefined where that is not known. */
export function callFormat(template: string | null): CallFormat | undefined {
  if (template === null) return undefined;
  const format = formats.find(({ is }) => is(template));
  if (format?.name !== 'mistral-args' || !template.includes('[CALL_ID]')) return format;
  return { ...format, calls: { ...format.calls, middle: (id: string) => `[CALL_ID]${id}[ARGS]` } as NamedCalls };
}

/** Whether a text in channels ends within the header of a message. */
function inHeader(said: string): boolean {
  const header = Math.max(said.lastIndexOf('<|start|>'), said.lastIndexOf('<|channel|>'));
  return said.trim() === '' || said.lastIndexOf('<|message|>') < header;
}
