/** POST /v1/cut: a file as the passages that an index would make of it. Nothing of it is kept. */
import { z } from '@hono/zod-openapi';
import type { App, ServerContext } from '../context.ts';
import { uploadName } from '../documents/upload-name.ts';
import { describeRoute } from '../pages/openapi.ts';

const cutSchema = z
  .object({
    object: z.literal('list'),
    data: z.array(
      z.object({
        title: z.string(),
        text: z.string(),
        source: z.string(),
        start_line: z.number(),
        end_line: z.number(),
        page: z.number().optional(),
        tokens: z.number(),
      }),
    ),
    notes: z.array(z.string()).openapi({ description: 'Peculiarities of the file.' }),
  })
  .openapi('CutFile');

export function addCut(app: App, server: ServerContext): void {
  describeRoute(app, {
    method: 'post',
    path: '/v1/cut',
    summary: 'Cut a file into passages',
    description:
      'A form (`multipart/form-data`) with the field `file`. The passages are those that an index would make of the file. Send them as `documents`. The server keeps nothing.',
    response: cutSchema,
  });
  app.post('/v1/cut', (c) =>
    server.forms.read(c, server.limits.fileBytes, async ({ name, bytes }) => {
      const { passages, notes } = await server.cutter.cut(uploadName(name), bytes);
      const data = passages.map(({ title, text, source, startLine, endLine, page, tokens }) => {
        const lines = { start_line: startLine, end_line: endLine, ...(page !== undefined && { page }) };
        return { title, text, source, ...lines, tokens };
      });
      return c.json({ object: 'list', data, notes });
    }),
  );
}
