/** Chat requests that are answered from the documents of the server. */

import type { AnswerRequest } from '@block-attention/engine/internal/engine';
import type { Context } from 'hono';
import type { DocumentAnswer } from '../../rag/index.ts';
import type { ServerContext, ServerEnv } from '../context.ts';
import { conversationOf } from '../requests/messages.ts';
import { RequestError } from '../requests/request-error.ts';
import type { ChatRequest } from '../requests/request-schemas.ts';
import type { Answering, Collection } from './collection.ts';
import { retrievalOf, retrievedBody } from './retrieval-schemas.ts';

export interface RetrievedChat {
  readonly collection: Collection;
  readonly retrieve: (answer: AnswerRequest) => Promise<Answering>;
}

/** Undefined for requests that bring their documents, or have none. @throws INVALID_ARGUMENT naming the field */
export async function retrievalFor(
  c: Context<ServerEnv>,
  { library }: Pick<ServerContext, 'library'>,
  body: ChatRequest,
): Promise<RetrievedChat | undefined> {
  const retrieval = retrievalOf(body.retrieval) ?? (library?.modelName === body.model ? {} : undefined);
  if (retrieval === undefined) return undefined;
  if (library === undefined) {
    const message = 'retrieval: this server has no documents of its own: start it with `block-attention up FOLDER`';
    throw new RequestError('INVALID_ARGUMENT', message, 'retrieval');
  }
  if ((body.n ?? 1) > 1) {
    throw new RequestError('INVALID_ARGUMENT', 'n: with retrieval there is one answer: leave n out', 'n');
  }
  if (conversationOf(body).passages.length > 0) {
    const message = 'documents: with retrieval the server finds the passages: leave one of the two out';
    throw new RequestError('INVALID_ARGUMENT', message, 'documents');
  }
  const collection = await library.of(c.get('tenant'));
  return { collection, retrieve: (answer) => collection.retrieve(answer, retrieval) };
}

/** Fields of an answer, beside its account. */
export function toldOf(found: DocumentAnswer | undefined, documents: RetrievedChat | undefined): object {
  return found && documents ? { retrieval: retrievedBody(found, documents.collection) } : {};
}
