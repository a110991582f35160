/** GET /v1/models: the one model that is served. */
import type { App, ServerContext } from '../context.ts';
import { describeRoute } from '../openapi.ts';

export function addModels(app: App, { engine, modelName, created }: ServerContext): void {
  const { architecture, contextTokens, kvBytesPerToken } = engine.model;
  const block_attention = { architecture, context_tokens: contextTokens, kv_bytes_per_token: kvBytesPerToken };
  const model = { id: modelName, object: 'model', created, owned_by: 'block-attention', block_attention };
  describeRoute(app, 'get', '/v1/models', 'The model that is served');
  app.get('/v1/models', (c) => c.json({ object: 'list', data: [model] }));
}
