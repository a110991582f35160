/** POST /v1/embeddings: vectors of texts, by the embedding model that the server was started with. */
import { z } from '@hono/zod-openapi';
import type { App, ServerContext } from '../context.ts';
import { describeRoute } from '../pages/openapi.ts';
import { embedTexts, mostTexts } from '../requests/embedding.ts';
import { readJson } from '../requests/read-json.ts';

const embeddingsRequestSchema = z
  .object({
    model: z.string().min(1).max(512),
    input: z
      .union([z.string(), z.array(z.string()).min(1).max(mostTexts)], {
        error: `give a text, or a list of 1 to ${mostTexts} texts: token ids are not supported`,
      })
      .openapi({ description: 'Texts to embed. A text that is too long for the model is cut off.' }),
    encoding_format: z.enum(['float', 'base64']).nullish(),
    dimensions: z
      .number()
      .int()
      .min(1)
      .nullish()
      .openapi({ description: 'Number of dimensions to keep, from the first. Defaults to all.' }),
  })
  .loose()
  .openapi('EmbeddingsRequest');

const embeddingsResponseSchema = z
  .object({
    object: z.literal('list'),
    model: z.string(),
    data: z.array(
      z.object({
        object: z.literal('embedding'),
        index: z.number(),
        embedding: z.union([z.array(z.number()), z.string()]),
      }),
    ),
    usage: z.object({
      prompt_tokens: z.number().openapi({ description: '0 if the embedding model does not report it.' }),
      total_tokens: z.number(),
    }),
  })
  .openapi('Embeddings');

export function addEmbeddings(app: App, server: ServerContext): void {
  describeRoute(app, {
    method: 'post',
    path: '/v1/embeddings',
    summary: 'Embed texts',
    description: 'The model of `--embed` embeds the texts as they are, without a prefix.',
    request: embeddingsRequestSchema,
    response: embeddingsResponseSchema,
  });
  app.post('/v1/embeddings', async (c) => {
    const { model, input, encoding_format, dimensions } = await readJson(c, embeddingsRequestSchema, server.limits);
    const { vectors, tokens } = await embedTexts(c, server, { model, input: [input].flat(), dimensions });
    return c.json({
      object: 'list',
      model,
      data: vectors.map((vector, index) => ({
        object: 'embedding',
        index,
        embedding: encoding_format === 'base64' ? base64(vector) : [...vector],
      })),
      usage: { prompt_tokens: tokens, total_tokens: tokens },
    });
  });
}

/** Little-endian 32-bit floats. */
function base64(vector: Float32Array): string {
  const bytes = Buffer.alloc(vector.length * 4);
  for (const [index, value] of vector.entries()) bytes.writeFloatLE(value, index * 4);
  return bytes.toString('base64');
}
