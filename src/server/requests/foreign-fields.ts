/**
 * Fields of llama.cpp's, vLLM's, SGLang's and Ollama's requests that OpenAI does not have. Clients made for those send
 * them here, too. A field is honoured; or refused by name where it says something that would change the answer; or
 * passed over where it would not. Names that nobody knows are told in the answer: they are most often misspelt.
 */

import type { Engine } from '@block-attention/engine/internal/engine';
import { z } from '@hono/zod-openapi';
import type { Warning } from '../replies/accounting.ts';
import { RequestError } from './request-error.ts';

const jsonSchema = z.union([z.boolean(), z.record(z.string(), z.unknown())], { error: 'give a JSON schema' });
/** Some clients send the schema as text. */
const schemaOrText = z.union([jsonSchema, z.string()], { error: 'give a JSON schema, or the text of one' });
const choices = z.array(z.string().min(1)).min(1).max(4096);

/** What is honoured. Where several fields say the same, one of them may be there. */
export const foreignFields = {
  json_schema: schemaOrText
    .nullish()
    .openapi({ description: 'JSON schema of the answer, as in `response_format` of type `json_schema`.' }),
  guided_json: schemaOrText.nullish().openapi({ description: 'The same as `json_schema`.' }),
  format: z
    .union([z.literal('json'), jsonSchema], { error: 'give "json" or a JSON schema' })
    .nullish()
    .openapi({
      description: 'The same as `json_schema`. "json" is the same as type `json_object`.',
    }),
  grammar: z.string().nullish().openapi({ description: 'A GBNF grammar that the answer follows.' }),
  guided_grammar: z.string().nullish().openapi({ description: 'The same as `grammar`.' }),
  ebnf: z.string().nullish().openapi({ description: 'The same as `grammar`.' }),
  guided_choice: choices.nullish().openapi({ description: 'Texts one of which the answer must be.' }),
  structured_outputs: z
    .looseObject({
      json: schemaOrText.nullish(),
      json_object: z.boolean().nullish(),
      grammar: z.string().nullish(),
      choice: choices.nullish(),
    })
    .nullish()
    .openapi({ description: 'One of json, json_object, grammar and choice.' }),
  repetition_penalty: z.number().min(0.01).max(100).nullish().openapi({
    description: 'Divisor of the logits of the answer’s last tokens. 1 turns it off.',
  }),
  repeat_penalty: z.number().min(0.01).max(100).nullish().openapi({ description: 'The same as `repetition_penalty`.' }),
  repeat_last_n: z.number().int().min(-1).max(65_536).nullish().openapi({
    description: 'Number of last tokens of the answer that penalties apply to. Defaults to 64. -1 for all.',
  }),
  n_predict: z
    .number()
    .int()
    .min(-1)
    .max(1 << 20)
    .nullish()
    .openapi({ description: 'The same as `max_tokens`.' }),
  chat_template_kwargs: z.record(z.string(), z.unknown()).nullish().openapi({
    description: 'Variables of the chat template.',
  }),
  reasoning_effort: z.string().max(64).nullish().openapi({ description: 'Template variable of that name.' }),
  enable_thinking: z.boolean().nullish().openapi({ description: 'Template variable of that name. Defaults to false.' }),
  think: z.boolean().nullish().openapi({ description: 'The same as `enable_thinking`.' }),
  continue_final_message: z.boolean().nullish().openapi({
    description: 'Continue the last message, the assistant’s. The server does so without this field as well.',
  }),
  add_generation_prompt: z.boolean().nullish(),
} as const;

/** What is not done, by the values that do not ask for it. Absent, null, false and empty values never do. */
const refused: Readonly<Record<string, readonly unknown[]>> = {
  // Other ways to draw
  typical_p: [1],
  top_n_sigma: [-1, 0],
  top_a: [0],
  tfs: [1],
  tfs_z: [1],
  dynatemp_range: [0],
  xtc_probability: [0],
  mirostat: [0],
  mirostat_mode: [0],
  dry_multiplier: [0],
  smoothing_factor: [0],
  no_repeat_ngram_size: [0],
  length_penalty: [1],
  use_beam_search: [],
  num_beams: [1],
  samplers: [],
  logits_processors: [],
  custom_logit_processor: [],
  allowed_token_ids: [],
  bad_words: [],
  banned_tokens: [],
  banned_strings: [],
  // Other ends
  min_tokens: [0],
  min_new_tokens: [0],
  stop_token_ids: [],
  stop_regex: [],
  ignore_eos: [],
  include_stop_str_in_output: [],
  no_stop_trim: [],
  // Other shapes
  guided_regex: [],
  regex: [],
  structural_tag: [],
  grammar_triggers: [],
  verbosity: ['medium'],
  // Other prompts
  system: [],
  template: [],
  chat_template: [],
  context: [],
  raw: [],
  images: [],
  options: [],
  truncate_prompt_tokens: [-1],
  truncation: ['disabled'],
  transforms: [],
  reasoning: [],
  skip_special_tokens: [],
  lora: [],
  lora_path: [],
  lora_request: [],
  session_params: [],
  web_search_options: [],
  prompt_logprobs: [0],
  top_logprobs_num: [0],
};

/** Of these, false is what asks for something. */
const inverted = new Set(['skip_special_tokens']);

/** What changes no answer of this server's: bookkeeping, caches, how requests are queued, further output. */
const idle = new Set(
  `user metadata store service_tier safety_identifier prompt_cache_key prompt_cache_retention parallel_tool_calls
  tool_choice function_call prediction cache_prompt cache_salt id_slot slot_id n_keep n_discard keep_alive ttl
  request_id rid priority timings_per_token return_progress return_tokens return_token_ids
  return_tokens_as_token_ids n_probs min_keep post_sampling_probs t_max_predict_ms dry_base dry_allowed_length
  dry_penalty_last_n dry_sequence_breakers dynatemp_exponent xtc_threshold mirostat_tau mirostat_eta
  spaces_between_special_tokens add_special_tokens guided_decoding_backend guided_whitespace_pattern
  reasoning_format include_reasoning separate_reasoning stream_reasoning parse_tool_calls early_stopping do_sample
  kv_transfer_params vllm_xargs`.split(/\s+/),
);

/**
 * Notes on the fields that no schema knows. @param known names of the fields that one does
 * @throws INVALID_ARGUMENT naming a field that would change the answer
 */
function foreignWarnings(body: object, known: Readonly<Record<string, unknown>>): Warning[] {
  const warnings: Warning[] = [];
  for (const [name, value] of Object.entries(body)) {
    if (Object.hasOwn(known, name) || idle.has(name)) continue;
    const neutral = Object.hasOwn(refused, name) ? refused[name] : undefined;
    if (neutral === undefined) warnings.push({ param: name, message: 'nobody knows this field: it did nothing' });
    else if (inverted.has(name) ? value === false : !isIdle(value) && !neutral.includes(value)) {
      throw new RequestError('INVALID_ARGUMENT', `${name}: this is not supported: leave it out`, name);
    }
  }
  return warnings.slice(0, mostWarnings);
}

/** Notes on all that does nothing. @throws what foreignWarnings() does */
export function unheard(
  request: Foreign,
  known: Readonly<Record<string, unknown>>,
  engine: Pick<Engine, 'readsVariable'>,
): Warning[] {
  const variables = variableWarnings(request, (name) => engine.readsVariable(name));
  return [...foreignWarnings(request, known), ...variables];
}

const mostWarnings = 32;

/** Whether a value asks for nothing. */
export function isIdle(value: unknown): boolean {
  if (value === undefined || value === null || value === false || value === '') return true;
  if (Array.isArray(value)) return value.length === 0;
  return typeof value === 'object' && Object.keys(value).length === 0;
}

type Foreign = { readonly [K in keyof typeof foreignFields]?: z.output<(typeof foreignFields)[K]> };

/** Variables of the chat template, by name. */
export function templateVariables(request: Foreign): Record<string, unknown> | undefined {
  const { chat_template_kwargs, reasoning_effort, enable_thinking, think } = request;
  const thinking = enable_thinking ?? think;
  const variables = {
    ...(reasoning_effort !== undefined && reasoning_effort !== null && { reasoning_effort }),
    ...(thinking !== undefined && thinking !== null && { enable_thinking: thinking }),
    ...chat_template_kwargs,
  };
  return Object.keys(variables).length > 0 ? variables : undefined;
}

/** Notes on variables that do nothing. @param reads whether the chat template reads one of this name */
function variableWarnings(request: Foreign, reads: (name: string) => boolean): Warning[] {
  const message = 'the chat template has no variable of this name: it did nothing';
  const names = Object.keys(templateVariables(request) ?? {}).slice(0, mostWarnings);
  return names.filter((name) => !reads(name)).map((param) => ({ param, message }));
}

/** @throws INVALID_ARGUMENT where two fields contradict each other */
export function penaltiesOf({ repetition_penalty, repeat_penalty, repeat_last_n }: Foreign) {
  if (typeof repetition_penalty === 'number' && typeof repeat_penalty === 'number') {
    const message = 'repeat_penalty: repetition_penalty says the same: leave one out';
    throw new RequestError('INVALID_ARGUMENT', message, 'repeat_penalty');
  }
  return {
    repeatPenalty: repetition_penalty ?? repeat_penalty ?? undefined,
    penaltyLastN: repeat_last_n === -1 ? 65_536 : (repeat_last_n ?? undefined),
  };
}

/** @param continues whether the last message is the assistant's @throws INVALID_ARGUMENT where the fields say otherwise */
export function checkContinuation(request: Foreign, continues: boolean): void {
  const { continue_final_message: goOn, add_generation_prompt: begin } = request;
  const wrong = (param: string, reason: string) => new RequestError('INVALID_ARGUMENT', `${param}: ${reason}`, param);
  if (goOn === true && !continues) {
    throw wrong('continue_final_message', 'the last message is not the assistant’s: there is nothing to continue');
  }
  if (goOn === false && continues) {
    throw wrong('continue_final_message', 'it is false, and the last message is the assistant’s: end with a question');
  }
  if (begin === false && !continues) {
    throw wrong('add_generation_prompt', 'an answer without its beginning is not supported: leave it out');
  }
  if (begin === true && continues) {
    throw wrong('add_generation_prompt', 'the last message is the assistant’s and is gone on with: leave it out');
  }
}
