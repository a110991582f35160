/** The documents that a request is about. */

import { BlockAttentionError } from '@block-attention/engine/internal/base';
import type { Context } from 'hono';
import type { ServerContext, ServerEnv } from '../context.ts';
import type { Collection } from './collection.ts';
import type { Library } from './library.ts';

const without =
  'this server answers from no documents of its own: start it with `block-attention up FOLDER`, or with `serve --index`';

/** @throws NOT_FOUND on a server without */
export function libraryOf({ library }: Pick<ServerContext, 'library'>): Library {
  if (library) return library;
  throw new BlockAttentionError('NOT_FOUND', without);
}

/** The tenant's own. @throws NOT_FOUND on a server without */
export async function collectionOf(c: Context<ServerEnv>, server: Pick<ServerContext, 'library'>): Promise<Collection> {
  return libraryOf(server).of(c.get('tenant'));
}
