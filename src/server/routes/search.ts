/** GET /v1/search: what the documents have on a question, without asking the model. */
import { z } from '@hono/zod-openapi';
import type { App, ServerContext } from '../context.ts';
import { collectionOf } from '../documents/of-request.ts';
import {
  documentsStateBody,
  documentsStateSchema,
  hitBody,
  hitSchema,
  retrievalFields,
  searchOptionsOf,
} from '../documents/retrieval-schemas.ts';
import { describeRoute } from '../pages/openapi.ts';
import { RequestError } from '../requests/request-error.ts';

const { top, budget, paths, types, since, until, by } = retrievalFields;
const count = z
  .string()
  .regex(/^\d{1,9}$/, 'give a whole number')
  .transform(Number);
const moment = z.string().transform((text) => (/^\d+$/.test(text) ? Number(text) : text));

/** As it stands in the address; lists by repeating a field. */
const querySchema = z.strictObject({
  q: z.string().max(10_000).openapi({ description: 'The question.' }),
  top: count.pipe(top.unwrap().unwrap()).optional(),
  budget: count.pipe(budget.unwrap().unwrap()).optional(),
  path: paths,
  type: types,
  since: moment.pipe(since.unwrap().unwrap()).optional(),
  until: moment.pipe(until.unwrap().unwrap()).optional(),
  by,
});

const searchSchema = z
  .object({
    object: z.literal('list'),
    data: z.array(hitSchema),
    documents: documentsStateSchema,
    search_ms: z.number(),
  })
  .openapi('SearchResult');

export function addSearch(app: App, server: ServerContext): void {
  describeRoute(app, {
    method: 'get',
    path: '/v1/search',
    summary: 'Search the documents',
    description:
      'Finds passages for the question `q`, best first. `top` (default: 8), `budget`, `since`, `until` and `by` are as in `retrieval`. `path` (a glob) and `type` may be repeated.',
    response: searchSchema,
  });
  app.get('/v1/search', async (c) => {
    const collection = await collectionOf(c, server);
    const sent = c.req.queries();
    const fields = Object.entries(sent).map(([name, values]) => {
      const list = name === 'path' || name === 'type';
      if (list || values.length === 1) return [name, list ? values : values[0]] as const;
      throw new RequestError('INVALID_ARGUMENT', `${name}: it is given ${values.length} times: give it once`, name);
    });
    const parsed = querySchema.safeParse(Object.fromEntries(fields));
    if (!parsed.success) {
      const [issue] = parsed.error.issues;
      const path = issue?.path.join('.') ?? '';
      throw new RequestError(
        'INVALID_ARGUMENT',
        `${path || 'the query'}: ${issue?.message ?? 'malformed'}`,
        path || null,
      );
    }
    const { q, path: globs, type, ...rest } = parsed.data;
    const started = performance.now();
    const options = searchOptionsOf({ ...rest, paths: globs, types: type });
    const { documents } = collection.keeper;
    const hits = await collection.search(q, { ...options, signal: c.req.raw.signal });
    const search_ms = performance.now() - started;
    const data = hits.map((hit) => hitBody(hit, collection));
    return c.json({ object: 'list', data, documents: documentsStateBody(documents), search_ms });
  });
}
