/**
 * Models that answer in channels (OpenAI's harmony format, gpt-oss): an answer is one or more messages, each with a header
 * that names its channel: `analysis` is reasoning, `final` the answer, `commentary` calls of tools and words before them.
 * The published format: https://cookbook.openai.com/articles/openai-harmony.
 */

/** Begins the answer proper, behind the header of the model's turn that the template writes. */
export const finalChannel = '<|channel|>final<|message|>';

export function speaksInChannels(template: string): boolean {
  return template.includes('<|channel|>') && template.includes('<|message|>');
}

/** Whether reasoning is asked for. Else the answer is begun for the model, as other templates do. */
export function thinks(variables: Readonly<Record<string, unknown>> = {}): boolean {
  const { enable_thinking, reasoning_effort } = variables;
  if (typeof enable_thinking === 'boolean') return enable_thinking;
  return typeof reasoning_effort === 'string' && reasoning_effort !== 'none';
}
