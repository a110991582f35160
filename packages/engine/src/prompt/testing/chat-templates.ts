/**
 * Chat templates in the manner of the families that are supported, one trait each, with the control tokens they write.
 */
import type { VocabularySpec } from './vocabulary-file.ts';

type Family = VocabularySpec & { readonly chatTemplate: string };

const alternation =
  "{% if messages[0]['role'] == 'system' %}{{ raise_exception('System role not supported') }}{% endif %}";

export const families = {
  /** Writes its own system message when there is none; no BOS. */
  chatml: {
    controls: ['<|endoftext|>', '<|im_end|>', '<|im_start|>'],
    addBos: false,
    chatTemplate: `{% for message in messages %}{% if loop.first and message['role'] != 'system' %}{{ '<|im_start|>system\\nYou are a helpful assistant.<|im_end|>\\n' }}{% endif %}{{ '<|im_start|>' + message['role'] + '\\n' + message['content'] + '<|im_end|>\\n' }}{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}`,
  },
  /** Begins with BOS, trims contents, writes the date. */
  llama3: {
    controls: ['<|begin_of_text|>', '<|eot_id|>', '<|start_header_id|>', '<|end_header_id|>'],
    addBos: true,
    chatTemplate: `{{- bos_token }}
{%- set date = strftime_now("%d %b %Y") %}
{%- if messages[0]['role'] == 'system' %}
    {%- set system_message = messages[0]['content'] | trim %}
    {%- set messages = messages[1:] %}
{%- else %}
    {%- set system_message = "" %}
{%- endif %}
{{- "<|start_header_id|>system<|end_header_id|>\\n\\nToday Date: " + date + "\\n\\n" + system_message + "<|eot_id|>" }}
{%- for message in messages %}
    {{- '<|start_header_id|>' + message['role'] + '<|end_header_id|>\\n\\n' + message['content'] | trim + '<|eot_id|>' }}
{%- endfor %}
{%- if add_generation_prompt %}
    {{- '<|start_header_id|>assistant<|end_header_id|>\\n\\n' }}
{%- endif %}`,
  },
  /** Refuses a system message. */
  gemma: {
    controls: ['<bos>', '<eos>', '<start_of_turn>', '<end_of_turn>'],
    addBos: true,
    chatTemplate: `{{ bos_token }}${alternation}{% for message in messages %}{% set role = 'model' if message['role'] == 'assistant' else message['role'] %}{{ '<start_of_turn>' + role + '\\n' + message['content'] | trim + '<end_of_turn>\\n' }}{% endfor %}{% if add_generation_prompt %}{{ '<start_of_turn>model\\n' }}{% endif %}`,
  },
  /** Role names are ordinary text; EOS closes every message. BOS comes from the tokenizer. */
  zephyr: {
    controls: ['<s>', '</s>'],
    addBos: true,
    chatTemplate: `{% for message in messages %}
{{ '<|' + message['role'] + '|>\\n' + message['content'] + eos_token }}
{% endfor %}
{% if add_generation_prompt %}{{ '<|assistant|>\\n' }}{% endif %}`,
  },
  /** Without a generation prompt it ends in EOS, which no turn inside a dialogue does. */
  phi3: {
    controls: ['<s>', '<|endoftext|>', '<|system|>', '<|user|>', '<|assistant|>', '<|end|>'],
    addBos: false,
    chatTemplate: `{% for message in messages %}{{ '<|' + message['role'] + '|>\\n' + message['content'] | trim + '<|end|>\\n' }}{% endfor %}{% if add_generation_prompt %}{{ '<|assistant|>\\n' }}{% else %}{{ eos_token }}{% endif %}`,
  },
  /** Folds the system message into the first question, and begins every turn with BOS. */
  llama2: {
    controls: ['<s>', '</s>'],
    addBos: true,
    chatTemplate: `{% if messages[0]['role'] == 'system' %}{% set system = '<<SYS>>\\n' + messages[0]['content'] + '\\n<</SYS>>\\n\\n' %}{% set messages = messages[1:] %}{% else %}{% set system = '' %}{% endif %}{% for message in messages %}{% if message['role'] == 'user' %}{{ bos_token + '[INST] ' + (system if loop.first else '') + message['content'] + ' [/INST]' }}{% else %}{{ ' ' + message['content'] + ' ' + eos_token }}{% endif %}{% endfor %}`,
  },
} as const satisfies Record<string, Family>;

export type FamilyName = keyof typeof families;
export const familyNames = Object.keys(families) as FamilyName[];
