/** /health, /ready and /metrics: for whoever runs the server. */
import { BlockAttentionError } from '@block-attention/engine/internal/base';
import type { App, ServerContext } from '../context.ts';
import { sameSecret } from '../operate/tenants.ts';
import { describeRoute } from '../pages/openapi.ts';

export function addOperations(app: App, server: ServerContext): void {
  describeRoute(app, { method: 'get', path: '/health', summary: 'Tell whether the process runs', open: true });
  app.get('/health', (c) => c.json({ status: 'ok' }));
  describeRoute(app, {
    method: 'get',
    path: '/ready',
    summary: 'Tell whether the server accepts requests',
    open: true,
  });
  app.get('/ready', (c) => {
    if (server.isDraining()) throw new BlockAttentionError('SHUTTING_DOWN', 'the server is shutting down');
    return c.json({ status: 'ready', model: server.modelNames[0] });
  });
  describeRoute(app, { method: 'get', path: '/metrics', summary: 'Prometheus metrics, with their own token' });
  app.get('/metrics', async (c) => {
    checkToken(server, c.req.header('authorization'));
    const { registry } = server.metrics;
    // The library writes Nan, which is not a number of the format.
    const text = (await registry.metrics()).replaceAll(/ Nan$/gm, ' NaN');
    return c.text(text, 200, { 'content-type': registry.contentType });
  });
}

/** Metrics tell of all tenants: where there are several they need a token of their own. */
function checkToken({ metricsToken, tenants }: ServerContext, authorization: string | undefined): void {
  if (metricsToken === undefined) {
    if (!tenants.required) return;
    throw new BlockAttentionError('NOT_FOUND', 'metrics are off: start the server with a metrics token');
  }
  if (!sameSecret(authorization ?? '', `Bearer ${metricsToken}`)) {
    throw new BlockAttentionError('UNAUTHORIZED', 'the metrics token is missing or wrong: send it as bearer token');
  }
}
