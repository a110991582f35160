/** /v1/files: files that clients send to be answered from, in the shape of OpenAI's. */

import { BlockAttentionError } from '@block-attention/engine/internal/base';
import { z } from '@hono/zod-openapi';
import type { Context } from 'hono';
import type { App, ServerContext, ServerEnv } from '../context.ts';
import type { Collection } from '../documents/collection.ts';
import { collectionOf, libraryOf } from '../documents/of-request.ts';
import type { StoredFile } from '../documents/uploads.ts';
import { Cancellation } from '../operate/cancellation.ts';
import { describeRoute } from '../pages/openapi.ts';

const fileSchema = z
  .object({
    id: z.string(),
    object: z.literal('file'),
    bytes: z.number(),
    created_at: z.number().openapi({ description: 'Time in seconds since 1970.' }),
    filename: z.string(),
    purpose: z.string(),
    status: z.enum(['uploaded', 'processed', 'error']).openapi({
      description:
        '`processed`: answers can use the file. `error`: the file is left out, and `status_details` says why.',
    }),
    status_details: z.string().nullable(),
    passages: z.number().openapi({ description: 'Number of passages that the file was cut into.' }),
  })
  .openapi('File');

const filesSchema = z
  .object({ object: z.literal('list'), data: z.array(fileSchema), has_more: z.literal(false) })
  .openapi('Files');

const deletedSchema = z
  .object({ id: z.string(), object: z.literal('file'), deleted: z.literal(true) })
  .openapi('FileDeleted');

/** How long an upload waits for its file to be read before it says `uploaded`. */
const patienceMs = 20_000;

export function addFiles(app: App, server: ServerContext): void {
  describeRoute(app, {
    method: 'post',
    path: '/v1/files',
    summary: 'Add a file to the documents',
    description:
      'A form (`multipart/form-data`) with the field `file`. `purpose` is optional and ignored. The server answers when it has read the file, or after 20 s. A file of the same name and contents is the same file. Another file of that name gets a number.',
    response: fileSchema,
  });
  app.post('/v1/files', async (c) => {
    const { limits } = libraryOf(server);
    return server.forms.read(c, limits.fileBytes, async ({ name, bytes }) => {
      const collection = await collectionOf(c, server);
      const file = await collection.uploads.put(name, bytes);
      await within(patienceMs, c, server, (signal) => collection.uploadsChanged(signal)).catch((error: unknown) => {
        if (!BlockAttentionError.isInstance(error) || !['ABORTED', 'DEADLINE_EXCEEDED'].includes(error.code))
          throw error;
      });
      return c.json(fileBody(file, collection));
    });
  });
  describeRoute(app, {
    method: 'get',
    path: '/v1/files',
    summary: 'List the files that were sent',
    response: filesSchema,
  });
  app.get('/v1/files', async (c) => {
    const collection = await collectionOf(c, server);
    const data = (await collection.uploads.list()).map((file) => fileBody(file, collection));
    return c.json({ object: 'list', data, has_more: false });
  });
  describeRoute(app, { method: 'get', path: '/v1/files/{id}', summary: 'Describe a file', response: fileSchema });
  app.get('/v1/files/:id', async (c) => {
    const collection = await collectionOf(c, server);
    return c.json(fileBody(await collection.uploads.get(c.req.param('id')), collection));
  });
  describeRoute(app, { method: 'get', path: '/v1/files/{id}/content', summary: 'Download a file' });
  app.get('/v1/files/:id/content', async (c) => {
    const { uploads } = await collectionOf(c, server);
    const file = await uploads.get(c.req.param('id'));
    // Whatever is in it, a browser is not to show it as a page of this server.
    c.header('content-type', 'application/octet-stream');
    c.header('content-disposition', `attachment; filename*=UTF-8''${encodeURIComponent(file.name)}`);
    c.header('x-content-type-options', 'nosniff');
    return c.body(await uploads.read(file));
  });
  describeRoute(app, {
    method: 'delete',
    path: '/v1/files/{id}',
    summary: 'Delete a file',
    description:
      'Before it answers, the server removes the file’s passages from the index and their blocks from all its tiers.',
    response: deletedSchema,
  });
  app.delete('/v1/files/:id', async (c) => {
    const collection = await collectionOf(c, server);
    const { id } = await collection.uploads.remove(c.req.param('id'));
    await within(server.limits.deadlineMs, c, server, (signal) => collection.uploadsChanged(signal));
    return c.json({ id, object: 'file', deleted: true });
  });
}

async function within<T>(
  ms: number,
  c: Context<ServerEnv>,
  { halt }: ServerContext,
  work: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  using cancellation = new Cancellation(ms, c.req.raw.signal, halt);
  return await work(cancellation.signal).catch((error: unknown) => {
    throw cancellation.explain(error);
  });
}

function fileBody(file: StoredFile, collection: Collection): z.output<typeof fileSchema> {
  const { known, failure } = collection.stateOf(file);
  const reason =
    known?.skipped ?? (known === undefined && failure !== undefined ? 'the documents could not be read' : undefined);
  return {
    id: file.id,
    object: 'file',
    bytes: file.bytes,
    created_at: Math.floor(file.modifiedAt / 1000),
    filename: file.name,
    purpose: 'assistants',
    status: reason !== undefined ? 'error' : known === undefined ? 'uploaded' : 'processed',
    status_details: reason ?? null,
    passages: known?.chunks ?? 0,
  };
}
