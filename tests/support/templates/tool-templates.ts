/**
 * Small chat templates, written for these tests, that offer tools and show calls with the marks of the families that
 * src/server/tools/formats.ts knows: where each writes tools, calls and results is theirs, the words are ours.
 */

const turns = (user: string, assistant: string, result: string) =>
  `{% for message in messages %}{% if message.role == 'user' %}${user}{% elif message.role == 'assistant' %}${assistant}{% elif message.role == 'tool' %}${result}{% endif %}{% endfor %}`;

/** Tools in the first message of the user's; a call is the whole answer. */
const llama = `{{ bos_token }}{% if messages[0].role == 'system' %}{{ '<|start_header_id|>system<|end_header_id|>\\n\\n' + messages[0].content + '<|eot_id|>' }}{% endif %}{% set told = namespace(tools=false) %}${turns(
  `{{ '<|start_header_id|>user<|end_header_id|>\\n\\n' }}{% if tools and not told.tools %}{% set told.tools = true %}{{ 'Call one of these as {"name": its name, "parameters": its arguments}.\\n\\n' }}{% for tool in tools %}{{ (tool | tojson(indent=4)) + '\\n\\n' }}{% endfor %}{% endif %}{{ message.content + '<|eot_id|>' }}`,
  `{{ '<|start_header_id|>assistant<|end_header_id|>\\n\\n' }}{% if message.tool_calls %}{{ '{"name": "' + message.tool_calls[0].function.name + '", "parameters": ' + (message.tool_calls[0].function.arguments | tojson) + '}' }}{% else %}{{ message.content }}{% endif %}{{ '<|eot_id|>' }}`,
  `{{ '<|start_header_id|>ipython<|end_header_id|>\\n\\n' + (message.content | tojson) + '<|eot_id|>' }}`,
)}{% if add_generation_prompt %}{{ '<|start_header_id|>assistant<|end_header_id|>\\n\\n' }}{% endif %}`;

const beforeLast = `{% if tools and loop.index0 == last.user %}{{ '[AVAILABLE_TOOLS] [' }}{% for tool in tools %}{{ tool | tojson }}{% if not loop.last %}{{ ', ' }}{% endif %}{% endfor %}{{ '][/AVAILABLE_TOOLS]' }}{% endif %}`;
const lastUser = `{% set last = namespace(user=-1) %}{% for message in messages %}{% if message.role == 'user' %}{% set last.user = loop.index0 %}{% endif %}{% endfor %}`;
const withSystem = `{% if messages[0].role == 'system' %}{{ '[SYSTEM_PROMPT]' + messages[0].content + '[/SYSTEM_PROMPT]' }}{% endif %}`;

/** Tools in front of the last message of the user's; calls are a list. */
const mistral = `{{ bos_token }}${withSystem}${lastUser}${turns(
  `${beforeLast}{{ '[INST] ' + message.content + '[/INST]' }}`,
  `{% if message.tool_calls %}{{ '[TOOL_CALLS] [' }}{% for call in message.tool_calls %}{{ '{"name": "' + call.function.name + '", "arguments": ' + (call.function.arguments | tojson) + ', "id": "' + call.id + '"}' }}{% if not loop.last %}{{ ', ' }}{% endif %}{% endfor %}{{ ']' + eos_token }}{% else %}{{ ' ' + message.content + eos_token }}{% endif %}`,
  `{{ '[TOOL_RESULTS] {"content": ' + (message.content | tojson) + ', "call_id": "' + message.tool_call_id + '"}[/TOOL_RESULTS]' }}`,
)}`;

const withArguments = (between: string) =>
  `{{ bos_token }}${withSystem}${lastUser}${turns(
    `${beforeLast}{{ '[INST]' + message.content + '[/INST]' }}`,
    `{{ message.content }}{% for call in message.tool_calls or [] %}{{ '[TOOL_CALLS]' + call.function.name + ${between}'[ARGS]' + (call.function.arguments | tojson) }}{% endfor %}{{ eos_token }}`,
    `{{ '[TOOL_RESULTS]' + message.content + '[/TOOL_RESULTS]' }}`,
  )}`;

/** Tools as types, in a message of the developer's; answers in channels. */
const harmony = `{{ '<|start|>system<|message|>Reasoning: ' + (reasoning_effort or 'medium') + '\\nChannels: analysis, commentary, final.<|end|>' }}{% if tools or messages[0].role == 'system' %}{{ '<|start|>developer<|message|>' }}{% if messages[0].role == 'system' %}{{ '# Instructions\\n\\n' + messages[0].content + '\\n\\n' }}{% endif %}{% if tools %}{{ '# Tools\\n\\n## functions\\n\\nnamespace functions {\\n\\n' }}{% for tool in tools %}{{ '// ' + tool.function.description + '\\ntype ' + tool.function.name + ' = (_: {\\n' }}{% for name, value in tool.function.parameters.properties.items() %}{{ name + ': ' + (value | tojson) + ',\\n' }}{% endfor %}{{ '}) => any;\\n\\n' }}{% endfor %}{{ '} // namespace functions' }}{% endif %}{{ '<|end|>' }}{% endif %}${turns(
  `{{ '<|start|>user<|message|>' + message.content + '<|end|>' }}`,
  `{% if message.tool_calls %}{% if message.thinking %}{{ '<|start|>assistant<|channel|>analysis<|message|>' + message.thinking + '<|end|>' }}{% endif %}{{ '<|start|>assistant to=functions.' + message.tool_calls[0].function.name + '<|channel|>commentary json<|message|>' + (message.tool_calls[0].function.arguments | tojson) + '<|call|>' }}{% else %}{{ '<|start|>assistant<|channel|>final<|message|>' + message.content + '<|end|>' }}{% endif %}`,
  `{{ '<|start|>functions.' + message.name + ' to=assistant<|channel|>commentary<|message|>' + (message.content | tojson) + '<|end|>' }}`,
)}{% if add_generation_prompt %}{{ '<|start|>assistant' }}{% endif %}`;

export const toolTemplates = {
  llama,
  mistral,
  'mistral-args': withArguments(''),
  'mistral-ids': withArguments("'[CALL_ID]' + call.id + "),
  harmony,
} as const;
