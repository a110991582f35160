/** /v1/blocks: documents encoded ahead of questions, and forgotten. */

import type { App, ServerContext } from '../context.ts';
import { describeRoute } from '../pages/openapi.ts';
import { deletedSchema, jobSchema } from '../replies/response-schemas.ts';
import { checkDocuments } from '../requests/answer-request.ts';
import { readJson } from '../requests/read-json.ts';
import { blocksRequestSchema } from '../requests/request-schemas.ts';

export function addBlocks(app: App, server: ServerContext): void {
  describeRoute(app, {
    method: 'post',
    path: '/v1/blocks',
    summary: 'Encode documents before questions arrive',
    description:
      'Starts a job. The same documents under the same policy are the same job, which runs again once it is done.',
    request: blocksRequestSchema,
    response: jobSchema,
    status: 202,
  });
  app.post('/v1/blocks', async (c) => {
    const { documents, tenant, policy } = await readJson(c, blocksRequestSchema, server.limits);
    checkDocuments(documents, server.limits.documents);
    const owner = c.get('tenant');
    const { salt } = server.tenants.within(owner, tenant);
    return c.json(server.jobs.start(documents, owner, { tenant: salt, policy }), 202);
  });
  describeRoute(app, {
    method: 'get',
    path: '/v1/blocks/{id}',
    summary: 'Show the progress of an encoding job',
    response: jobSchema,
  });
  app.get('/v1/blocks/:id', (c) => c.json(server.jobs.get(c.req.param('id'), c.get('tenant'))));
  describeRoute(app, {
    method: 'delete',
    path: '/v1/blocks/{id}',
    summary: 'Forget the documents of an encoding job',
    description:
      'Ends the job if it runs, and removes its documents’ blocks from this server’s tiers. Other servers that share a tier may keep them in their memory for a while.',
    response: deletedSchema,
  });
  app.delete('/v1/blocks/:id', async (c) => {
    const id = c.req.param('id');
    const deleted = await server.jobs.remove(id, c.get('tenant'));
    return c.json({ object: 'block_attention.blocks.deleted', id, deleted });
  });
  describeRoute(app, {
    method: 'delete',
    path: '/v1/blocks',
    summary: 'Forget documents',
    description:
      'Removes the blocks of these documents from this server’s tiers, whichever request encoded them. Other servers that share a tier may keep them in their memory for a while.',
    request: blocksRequestSchema,
    response: deletedSchema,
  });
  app.delete('/v1/blocks', async (c) => {
    const { documents, tenant, policy } = await readJson(c, blocksRequestSchema, server.limits);
    checkDocuments(documents, server.limits.documents);
    const { salt } = server.tenants.within(c.get('tenant'), tenant);
    const deleted = await server.engine.forget(documents, { tenant: salt, policy });
    return c.json({ object: 'block_attention.blocks.deleted', deleted });
  });
}
