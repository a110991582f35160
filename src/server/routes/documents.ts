/** GET /v1/documents: what the server answers from, how far it is with reading and encoding, what it left out and why. */
import { z } from '@hono/zod-openapi';
import { type KeptFolder, skipCodes } from '../../rag/index.ts';
import type { App, ServerContext } from '../context.ts';
import type { Collection } from '../documents/collection.ts';
import { collectionOf, libraryOf } from '../documents/of-request.ts';
import { describeRoute } from '../pages/openapi.ts';
import { errorBody } from '../requests/request-error.ts';

const note = z.object({ path: z.string(), reason: z.string() });
const folderSchema = z.object({
  name: z.string().openapi({ description: 'Name of the folder, or `uploads`.' }),
  files: z.number(),
  passages: z.number(),
  updated_at: z
    .number()
    .nullable()
    .openapi({ description: 'Time in seconds since 1970. Null before the first reading.' }),
  left_out: z
    .array(note.extend({ code: z.enum(skipCodes).optional() }))
    .openapi({ description: 'The first 200 files that are left out, with the reason.' }),
  left_out_total: z.number(),
  notes: z.array(note).openapi({ description: 'Peculiarities of the files that were read last: the first 200.' }),
  other_files: z.number().openapi({ description: 'Number of files of types that the server does not read.' }),
  other_endings: z.record(z.string(), z.number()),
  error: z.string().nullable().openapi({ description: 'Why the last reading failed.' }),
});

const documentsSchema = z
  .object({
    object: z.literal('block_attention.documents'),
    model: z.string().openapi({ description: 'Model name that answers from these documents.' }),
    phase: z.enum(['waiting', 'reading', 'indexing', 'encoding', 'ready']).openapi({
      description:
        'What the server is doing. It answers questions in every phase, from what it has read. `waiting`: another process is writing to the index.',
    }),
    done: z.number().openapi({ description: 'Files done while reading, passages done while encoding.' }),
    total: z.number(),
    path: z.string().nullable().openapi({ description: 'Path of the file that is being read.' }),
    files: z.number(),
    passages: z.number(),
    encoding: z.object({
      wanted: z.boolean().openapi({ description: 'Whether block mode answers questions.' }),
      done: z.number(),
      total: z.number(),
      error: z.string().nullable(),
    }),
    max_file_bytes: z.number().openapi({ description: 'Maximum size of a file, in bytes.' }),
    folders: z.array(folderSchema),
  })
  .openapi('Documents');

const mostListed = 200;

export function addDocuments(app: App, server: ServerContext): void {
  describeRoute(app, {
    method: 'get',
    path: '/v1/documents',
    summary: 'Describe the documents, and how far they are read and encoded',
    response: documentsSchema,
  });
  app.get('/v1/documents', async (c) => {
    const library = libraryOf(server);
    const collection = await collectionOf(c, server);
    return c.json(stateBody(collection, server, library));
  });
}

function stateBody(
  collection: Collection,
  { tell }: ServerContext,
  { modelName, limits, encodes }: Pick<ReturnType<typeof libraryOf>, 'modelName' | 'limits' | 'encodes'>,
): z.output<typeof documentsSchema> {
  const { phase, done, total, path, encoded, error, folders } = collection.keeper.state;
  const why = (cause: unknown) => (cause === undefined ? null : tell(errorBody(cause).body.error.message));
  const known = new Map(collection.index.folders.map((folder) => [folder.root, folder]));
  const listed = folders.map(({ root, summary, error: failure }) => {
    const own = known.get(root);
    return {
      name: collection.nameOf(root),
      files: own?.files ?? 0,
      passages: own?.chunks ?? 0,
      updated_at: own === undefined ? null : Math.floor(own.updatedAt / 1000),
      ...leftOut(summary),
      // No path of this machine.
      error: why(failure)?.replaceAll(root, collection.nameOf(root)) ?? null,
    };
  });
  const sum = (name: 'files' | 'passages') => listed.reduce((all, folder) => all + folder[name], 0);
  return {
    object: 'block_attention.documents',
    model: modelName,
    phase,
    done,
    total,
    path: path ?? null,
    files: sum('files'),
    passages: sum('passages'),
    encoding: {
      wanted: encodes(),
      done: encoded?.done ?? 0,
      total: encoded?.total ?? sum('passages'),
      error: why(error),
    },
    max_file_bytes: limits.fileBytes,
    folders: listed,
  };
}

function leftOut(summary: KeptFolder['summary']) {
  const { skipped = [], notes = [], others } = summary?.files ?? {};
  return {
    left_out: skipped.slice(0, mostListed),
    left_out_total: skipped.length,
    notes: notes.slice(0, mostListed),
    other_files: others?.total ?? 0,
    other_endings: { ...others?.endings },
  };
}
