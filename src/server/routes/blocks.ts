/** /v1/blocks: documents encoded ahead of questions. */
import { checkDocuments } from '../answer-request.ts';
import type { App, ServerContext } from '../context.ts';
import { describeRoute } from '../openapi.ts';
import { readJson } from '../read-json.ts';
import { blocksRequestSchema } from '../request-schemas.ts';

export function addBlocks(app: App, server: ServerContext): void {
  describeRoute(app, 'post', '/v1/blocks', 'Encode documents ahead of questions', blocksRequestSchema);
  app.post('/v1/blocks', async (c) => {
    const { documents } = await readJson(c, blocksRequestSchema, server.limits.bodyBytes);
    checkDocuments(documents, server.limits.documents);
    return c.json(server.jobs.start(documents, c.get('tenant')), 202);
  });
  describeRoute(app, 'get', '/v1/blocks/{id}', 'Progress of an encoding job');
  app.get('/v1/blocks/:id', (c) => c.json(server.jobs.get(c.req.param('id'), c.get('tenant'))));
}
