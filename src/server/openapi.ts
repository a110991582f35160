/** The description of the API, written from the schemas that requests are checked with. */
import type { z } from '@hono/zod-openapi';
import type { App } from './context.ts';

export function describeRoute(app: App, method: 'get' | 'post', path: string, summary: string, body?: z.ZodType): void {
  const content = body && { content: { 'application/json': { schema: body } }, required: true };
  app.openAPIRegistry.registerPath({
    method,
    path,
    summary,
    ...(content && { request: { body: content } }),
    responses: { 200: { description: 'Success' }, default: { description: 'An error in the shape of OpenAI’s' } },
  });
}

export function addOpenApi(app: App): void {
  const info = { title: 'block-attention', version: '1', description: 'Block-Attention behind the OpenAI API.' };
  app.doc31('/openapi.json', { openapi: '3.1.0', info });
}
