/** What clients of the API add to OpenAI's own types: fields of the request and of the answer. Types alone. */
import type { Passage } from '@block-attention/engine/internal/engine';
import type { z } from '@hono/zod-openapi';
import type { accountSchema } from '../replies/accounting.ts';
import type { BlockAttentionOptions } from './request-schemas.ts';

export type { BlockAttentionOptions };

/** Fields that a request has beside OpenAI's. */
export interface BlockAttentionFields {
  /** Passages. Each becomes a block that is encoded once. */
  readonly documents?: readonly Passage[] | null;
  readonly block_attention?: BlockAttentionOptions | null;
}

/** What an answer cost and reused, per block. */
export type BlockAttentionAccount = z.output<typeof accountSchema>;

/** A request of an OpenAI client with documents: `WithDocuments<OpenAI.ChatCompletionCreateParamsNonStreaming>`. */
export type WithDocuments<Request> = Request & BlockAttentionFields;

/** An answer, or a chunk of one, with its account: `WithAccount<OpenAI.ChatCompletion>`. */
export type WithAccount<Answer> = Answer & { readonly block_attention?: BlockAttentionAccount };
