/**
 * How models of a family write calls of tools: what begins a call, what a call looks like, what ends it. Told by the chat
 * template, which shows the model earlier calls in the same way. A family that is not here gets no tools.
 */

export interface CallFormat {
  readonly name: 'hermes' | 'llama' | 'mistral';
  /** Texts at which the model turns to calling. */
  readonly triggers: readonly string[];
  /** Whether a trigger counts at the beginning of an answer alone. */
  readonly atStart: boolean;
  /** What the calls begin with, as markup behind the answer so far. */
  readonly open: string;
  /** Key of the arguments, beside `name`. */
  readonly key: 'arguments' | 'parameters';
  /** GBNF of all calls behind `open`, of the rule of one. @param several whether more than one may be made */
  readonly grammar: (call: string, several: boolean) => string;
}

const formats: readonly (CallFormat & { readonly is: (template: string) => boolean })[] = [
  {
    // <tool_call>\n{"name": …, "arguments": …}\n</tool_call>: Hermes, Qwen 2.5 and 3, SmolLM3.
    name: 'hermes',
    // <function=…> is another way, of XML.
    is: (template) => template.includes('<tool_call>') && !template.includes('<function='),
    triggers: ['<tool_call>'],
    atStart: false,
    open: '<tool_call>\n',
    key: 'arguments',
    grammar: (call, several) => {
      const more = several ? ` ("\\n</tool_call>\\n<tool_call>\\n" ${call})*` : '';
      return `${call}${more} "\\n</tool_call>"`;
    },
  },
  {
    // [TOOL_CALLS] [{"name": …, "arguments": …}]: Mistral. [ARGS] is a later way.
    name: 'mistral',
    is: (template) => template.includes('[TOOL_CALLS]') && !template.includes('[ARGS]'),
    triggers: ['[TOOL_CALLS]'],
    atStart: false,
    open: '[TOOL_CALLS] [',
    key: 'arguments',
    grammar: (call, several) => `${call}${several ? ` (", " ${call})*` : ''} "]"`,
  },
  {
    // {"name": …, "parameters": …}, the answer alone: Llama 3.1 and later.
    name: 'llama',
    is: (template) => template.includes('"parameters": ') && template.includes('<|eot_id|>'),
    triggers: ['{"name"', '<|python_tag|>'],
    atStart: true,
    open: '',
    key: 'parameters',
    grammar: (call) => call,
  },
];

/** How the model of this template calls tools; undefined where that is not known. */
export function callFormat(template: string | null): CallFormat | undefined {
  return template === null ? undefined : formats.find(({ is }) => is(template));
}
