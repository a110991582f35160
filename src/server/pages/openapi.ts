/** The description of the API, written from the schemas that requests are checked with. */
import type { z } from '@hono/zod-openapi';
import type { App } from '../context.ts';
import { errorSchema } from '../replies/response-schemas.ts';

export interface RouteDescription {
  readonly method: 'get' | 'post' | 'delete';
  readonly path: string;
  readonly summary: string;
  readonly description?: string;
  readonly request?: z.ZodType;
  /** JSON unless it is text. */
  readonly response?: z.ZodType;
  /** Status of success. Defaults to 200. */
  readonly status?: number;
  /** Whether no API key is asked for. Defaults to false. */
  readonly open?: boolean;
}

export function describeRoute(app: App, route: RouteDescription): void {
  const { method, path, summary, description, request, response, status = 200, open = false } = route;
  const json = (schema: z.ZodType) => ({ 'application/json': { schema } });
  app.openAPIRegistry.registerPath({
    method,
    path,
    summary,
    ...(description !== undefined && { description }),
    ...(request && { request: { body: { content: json(request), required: true } } }),
    ...(!open && { security: [{ bearer: [] }] }),
    responses: {
      [status]: { description: 'Success', ...(response && { content: json(response) }) },
      default: { description: 'An error in the shape of OpenAI’s', content: json(errorSchema) },
    },
  });
}

export function addOpenApi(app: App, version: string): void {
  app.openAPIRegistry.registerComponent('securitySchemes', 'bearer', {
    type: 'http',
    scheme: 'bearer',
    description: 'Required if the server has API keys.',
  });
  const info = { title: 'block-attention', version, description: 'Block-Attention behind the OpenAI API.' };
  app.doc31('/openapi.json', { openapi: '3.1.0', info });
}
