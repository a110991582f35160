/** The fields that chat and completions share, as the engine takes them. */
import type { AnswerRequest } from '@block-attention/engine/internal/engine';
import type { Limits } from '../options.ts';
import { penaltiesOf, templateVariables } from './foreign-fields.ts';
import { RequestError } from './request-error.ts';
import type { SamplingRequest } from './request-schemas.ts';

type Shared = Omit<AnswerRequest, 'passages' | 'question' | 'history' | 'system' | 'signal' | 'tenant'>;

/** Seeds of the sampler: [0, seeds). */
const seeds = 0xffff_ffff;

/** Tokens of the answer; -1 asks for all that there is room for. */
function answerLength(wanted: number | null | undefined, most: number): Pick<Shared, 'maxTokens' | 'fitAnswer'> {
  if (wanted === -1) return { maxTokens: most, fitAnswer: true };
  return { maxTokens: wanted ?? undefined };
}

/**
 * @param choice index of the choice: each samples with a seed of its own
 * @param alternatives per token that are reported; undefined when no token is
 */
export function sharedFields(
  request: SamplingRequest,
  choice: number,
  alternatives: number | undefined,
  { answerTokens: most }: Pick<Limits, 'answerTokens'>,
): Shared {
  const { seed, stop } = request;
  const options = request.block_attention ?? {};
  const documents = request.documents ?? [];
  return {
    temperature: request.temperature ?? undefined,
    // The sampler has no nucleus of nothing; the smallest one keeps the likeliest token, as OpenAI's 0 does.
    topP: request.top_p === 0 ? Number.EPSILON : (request.top_p ?? undefined),
    topK: Math.max(0, request.top_k ?? 0),
    minP: request.min_p ?? undefined,
    frequencyPenalty: request.frequency_penalty ?? undefined,
    presencePenalty: request.presence_penalty ?? undefined,
    ...penaltiesOf(request),
    variables: templateVariables(request),
    ...answerLength(request.max_tokens ?? request.n_predict, most),
    stop: [stop ?? []].flat().filter((text) => text !== ''),
    seed: seed === undefined || seed === null ? undefined : ((((seed % seeds) + seeds) % seeds) + choice) % seeds,
    mode: options.mode,
    policy: options.policy ?? options.repair,
    segment: options.segment ?? (documents.length === 0 ? 'text' : 'turns'),
    historyIn: options.history,
    prefixReuse: options.prefix_reuse,
    ...(alternatives !== undefined && { onToken: () => undefined, topLogprobs: alternatives }),
  };
}

/** @throws INVALID_ARGUMENT when there are more documents than the server takes */
export function checkDocuments(documents: readonly unknown[], most: number): void {
  if (documents.length <= most) return;
  throw new RequestError('INVALID_ARGUMENT', `${documents.length} documents: send at most ${most}`, 'documents');
}
