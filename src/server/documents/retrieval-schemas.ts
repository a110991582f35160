/** What requests may say about documents of the server, and what answers say of them. */
import { z } from '@hono/zod-openapi';
import { type DocumentAnswer, type DocumentsState, documentTypes, type SearchHit } from '../../rag/index.ts';
import type { Collection, Retrieval } from './collection.ts';

const moment = z
  .union([z.number(), z.iso.date(), z.iso.datetime({ offset: true })], {
    error: 'give ms since 1970, or a time such as 2026-01-31 or 2026-01-31T08:00:00Z',
  })
  .transform((value) => (typeof value === 'number' ? value : Date.parse(value)));

export const retrievalFields = {
  top: z.number().int().min(1).max(1000).nullish().openapi({
    description:
      'Maximum number of passages. Defaults to 8; for an answer under a policy that chooses among passages, to 5.',
  }),
  budget: z.number().int().min(1).nullish().openapi({ description: 'Maximum tokens of all passages together.' }),
  paths: z.array(z.string().min(1).max(1024)).max(100).nullish().openapi({
    description: 'Globs on the path below the folder, such as `guides/**`. A file must match one of them.',
  }),
  types: z.array(z.enum(documentTypes)).max(documentTypes.length).nullish(),
  since: moment.nullish().openapi({ description: 'Only files changed since: ms since 1970, or an ISO 8601 time.' }),
  until: moment.nullish().openapi({ description: 'Only files changed before, in the same form.' }),
  by: z
    .enum(['text', 'vector', 'hybrid'])
    .nullish()
    .openapi({ description: 'How to search. Defaults to `hybrid` if the index has embeddings, else to `text`.' }),
};

const retrievalObject = z.strictObject({
  ...retrievalFields,
  min_coverage: z.number().min(0).max(1).nullish().openapi({
    description:
      'Minimum share of the question’s words that a passage must contain, weighted by rarity. Below it the model is not asked. Defaults to 0.4. 0 always asks.',
  }),
  excerpts: z.number().int().min(0).max(32).nullish().openapi({
    description:
      'Sentences and table rows of the passages found that are offered as passages of their own, where the policy chooses among passages (`select:K`). Defaults to 3. 0 offers none.',
  }),
});

/** `true` and `{}` are the same. */
export const retrievalSchema = z
  .union([z.boolean(), retrievalObject], { error: unionError })
  .openapi('Retrieval', { description: 'Answer from the server’s documents: `true`, or how to find passages.' });

/** What is wrong with the object, not with the union. */
function unionError(issue: { readonly input?: unknown }): string {
  if (typeof issue.input !== 'object' || issue.input === null) return 'give true, or an object';
  const found = retrievalObject.safeParse(issue.input).error?.issues[0];
  return found ? `${[...found.path, found.message].join(': ')}` : 'malformed';
}

type Fields = { readonly [K in keyof typeof retrievalFields]?: z.output<(typeof retrievalFields)[K]> };

/** Fields as the index takes them. */
export function searchOptionsOf({ top, budget, paths, types, since, until, by }: Fields): Retrieval {
  return {
    top: top ?? undefined,
    maxTokens: budget ?? undefined,
    paths: paths ?? undefined,
    types: types ?? undefined,
    since: since ?? undefined,
    until: until ?? undefined,
    by: by ?? undefined,
  };
}

/** How a request wants to be answered from documents; undefined when it does not. */
export function retrievalOf(value: z.output<typeof retrievalSchema> | null | undefined): Retrieval | undefined {
  if (value === undefined || value === null || value === false) return undefined;
  if (value === true) return {};
  return {
    ...searchOptionsOf(value),
    minCoverage: value.min_coverage ?? undefined,
    excerpts: value.excerpts ?? undefined,
  };
}

const placeSchema = z.object({
  source: z
    .string()
    .openapi({ description: 'File and lines: `keys.md:12-30`, `paper.pdf:p3:1-20`, `prices.xlsx:Spring:2-14`.' }),
  folder: z.string().openapi({ description: 'Name of the folder, or `uploads`.' }),
  path: z.string(),
  start_line: z.number(),
  end_line: z.number(),
  page: z.number().optional().openapi({ description: 'Page of a PDF. Line numbers then count from its start.' }),
  place: z.string().optional().openapi({
    description:
      'Part of the file from which lines are counted: a sheet, `slide 3`, a chapter, `cell 7`, an attachment.',
  }),
  title: z.string().openapi({ description: 'Title of the document and headings: `Keys › Rotation`.' }),
});

export const hitSchema = placeSchema
  .extend({
    rank: z.number(),
    id: z.string().openapi({ description: 'Id of the block in `block_attention.blocks`.' }),
    type: z.enum(documentTypes),
    score: z.number(),
    coverage: z.number().openapi({
      description: 'Share of the question’s words that the passage contains, weighted by rarity, from 0 to 1.',
    }),
    rerank_score: z
      .number()
      .optional()
      .openapi({ description: 'Score of the reranker, if there is one. Higher is better.' }),
    tokens: z.number(),
    text: z.string(),
  })
  .openapi('PassageHit');

const range = z.array(z.number()).length(2);
const citationSchema = placeSchema
  .extend({
    index: z.number().openapi({ description: 'Number of the citation from 1, in the order of the answer.' }),
    passage: z.string().openapi({ description: '`id` of the passage.' }),
    text: z.string().openapi({ description: 'The passage.' }),
    quotes: z
      .array(range)
      .openapi({ description: 'Half-open ranges of `text` that support the answer, in UTF-16 code units.' }),
    ranges: z
      .array(range)
      .openapi({ description: 'Half-open ranges of the answer that this passage supports, in UTF-16 code units.' }),
  })
  .openapi('Citation');

export const documentsStateSchema = z
  .object({
    state: z.enum(['ready', 'reading', 'unfinished', 'empty']).openapi({
      description:
        'State of the documents during the search. `reading`: a later search may find more. `unfinished`: reading failed or was interrupted. `empty`: there are no documents.',
    }),
    files_done: z.number().openapi({ description: 'Files that were read or left out.' }),
    files_total: z.number().openapi({ description: 'Files in all, as far as known during the search.' }),
  })
  .openapi('DocumentsState');

export function documentsStateBody({ state, files }: DocumentsState): z.output<typeof documentsStateSchema> {
  return { state, files_done: files.done, files_total: files.total };
}

export const retrievedSchema = z
  .object({
    documents: documentsStateSchema,
    asked: z
      .boolean()
      .openapi({ description: 'False if no passage covers the question. The model was then not asked.' }),
    in_documents: z
      .boolean()
      .openapi({ description: 'Whether the documents support the answer, as far as the server can tell.' }),
    search_ms: z.number(),
    left_out: z.object({ passages: z.number(), turns: z.number() }).openapi({
      description: 'Passages and earlier turns that did not fit into the context.',
    }),
    citations: z.array(citationSchema),
    passages: z.array(hitSchema).openapi({ description: 'Passages that were found and read, best first.' }),
  })
  .openapi('Retrieved');

export function hitBody(
  { chunk, rank, score, coverage, rerankScore }: SearchHit,
  collection: Pick<Collection, 'nameOf'>,
) {
  const { source, root, path, startLine, endLine, page, place: part, title, type, tokens, text } = chunk;
  const place = { source, folder: collection.nameOf(root), path, start_line: startLine, end_line: endLine };
  return {
    rank,
    id: source,
    ...place,
    ...(page !== undefined && { page }),
    ...(part !== undefined && { place: part }),
    title,
    type,
    score,
    coverage,
    ...(rerankScore !== undefined && { rerank_score: rerankScore }),
    tokens,
    text,
  };
}

/** What an answer says of the documents it rests on. */
export function retrievedBody(
  answer: DocumentAnswer,
  collection: Pick<Collection, 'nameOf'>,
): z.output<typeof retrievedSchema> {
  const { documents, asked, inDocuments, searchMs, leftOut, citations, hits } = answer;
  return {
    documents: documentsStateBody(documents),
    asked,
    in_documents: inDocuments,
    search_ms: searchMs,
    left_out: { ...leftOut },
    citations: citations.map(
      ({ index, source, root, path, startLine, endLine, page, place: part, title, passage, quotes, ranges }) => ({
        index,
        source,
        folder: collection.nameOf(root),
        path,
        start_line: startLine,
        end_line: endLine,
        ...(page !== undefined && { page }),
        ...(part !== undefined && { place: part }),
        title,
        passage,
        text: hits.find(({ chunk }) => chunk.root === root && chunk.source === passage)?.chunk.text ?? '',
        quotes: quotes.map((one) => [...one]),
        ranges: ranges.map((one) => [...one]),
      }),
    ),
    passages: asked ? hits.map((hit) => hitBody(hit, collection)) : [],
  };
}
