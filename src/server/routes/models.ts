/** GET /v1/models: the one model that is served, under each of its names, and the embedding model beside it. */

import { BlockAttentionError } from '@block-attention/engine/internal/base';
import type { AdapterInfo } from '@block-attention/engine/internal/engine';
import type { App, ServerContext } from '../context.ts';
import { describeRoute } from '../pages/openapi.ts';
import { modelsSchema } from '../replies/response-schemas.ts';
import { embedderName } from '../requests/embedding.ts';

export function addModels(app: App, server: ServerContext): void {
  const { engine, embedder, modelNames, created, shadow, learning, library } = server;
  const model = (id: string) => {
    const { architecture, contextTokens, kvBytesPerToken, kvBytesPerBlock, parameters } = engine.model;
    const { layers, heads, kvHeads, headDim, adapter } = engine.model;
    const block_attention = {
      architecture,
      parameters,
      adapter: adapter && adapterFields(adapter),
      layers,
      heads,
      kv_heads: kvHeads,
      head_dim: headDim,
      context_tokens: contextTokens,
      kv_bytes_per_token: kvBytesPerToken,
      kv_bytes_per_block: kvBytesPerBlock,
      kv_type: engine.kvType,
      attention: engine.attention,
      threads: engine.threads,
      layout: engine.layout,
      documents: library?.modelName ?? null,
      mode_default: engine.defaultMode,
      verdict: engine.verdict?.verdict ?? null,
      fallback: shadow.state.fallback ?? null,
      learning: learning.state,
    };
    return { id, object: 'model', created, owned_by: 'block-attention', block_attention };
  };
  const embedding = embedder && {
    id: embedderName(embedder),
    object: 'model',
    created,
    owned_by: 'block-attention',
    block_attention: { kind: 'embedding', dimensions: embedder.dimensions },
  };
  describeRoute(app, {
    method: 'get',
    path: '/v1/models',
    summary: 'List the models that are served',
    response: modelsSchema,
  });
  app.get('/v1/models', (c) =>
    c.json({ object: 'list', data: [...modelNames.map(model), ...(embedding ? [embedding] : [])] }),
  );
  describeRoute(app, { method: 'get', path: '/v1/models/{id}', summary: 'Describe a model' });
  app.get('/v1/models/:id', (c) => {
    const id = c.req.param('id');
    if (modelNames.includes(id)) return c.json(model(id));
    if (id === embedding?.id) return c.json(embedding);
    const names = modelNames.map((name) => JSON.stringify(name)).join(' or ');
    throw new BlockAttentionError('MODEL_NOT_FOUND', `that model is not served: use ${names}`);
  });
}

/** Where its file lies is nobody's business. */
function adapterFields({ kind, rank, scale, identity, over }: AdapterInfo): object {
  return { kind, rank, scale, identity, over: over && adapterFields(over) };
}
