/**
 * The tools that `mcp` offers: search, ask, state of the index. Standard output carries the protocol and nothing else.
 *
 * The index is opened at the start, so that a client learns at once that there is none; the model with the first
 * question, since searching needs none.
 */

import { BlockAttentionError, packageVersion } from '@block-attention/engine/internal/base';
import { McpServer } from '@modelcontextprotocol/sdk/server/mcp.js';
import { z } from 'zod';
import { createConversation } from '../../rag/answer/conversation.ts';
import { type DocumentIndex, documentTypes, type SearchOptions, withoutAnswer } from '../../rag/index.ts';
import type { McpFlags } from '../commands/mcp.ts';
import { reportHit } from '../commands/search.ts';
import { modelReference, openDocuments, retrievalOf } from '../options/index-options.ts';
import { policyOf } from '../options/model-options.ts';
import type { CliIo } from '../terminal/io.ts';
import { Output } from '../terminal/output.ts';
import { StreamTransport } from './mcp-transport.ts';
import { type OpenedEngine, openEngine } from './open-engine.ts';
import { openStore } from './open-store.ts';

const question = z.string().min(1).max(32_768).describe('What to look for, in plain words.');
const filters = {
  top: z.number().int().min(1).max(1000).optional().describe('Maximum number of passages. Defaults to 8.'),
  paths: z.array(z.string().max(1024)).max(64).optional().describe('Globs on file paths, such as guides/**.'),
  types: z.array(z.enum(documentTypes)).max(16).optional().describe('Kinds of documents.'),
};

const passageShape = z.object({
  source: z.string().describe('File and lines.'),
  title: z.string(),
  text: z.string(),
  score: z.number(),
});
const documentsShape = z
  .object({
    state: z.enum(['ready', 'reading', 'unfinished', 'empty']),
    files: z.object({ done: z.number(), total: z.number() }),
  })
  .describe('How far the documents are read. Unless ready, more may be found later.');
const citationShape = z.object({ index: z.number(), source: z.string(), title: z.string() });
const folderShape = z.object({
  root: z.string(),
  files: z.number(),
  skipped: z.number(),
  passages: z.number(),
  updatedAt: z.string(),
});

const readOnly = { readOnlyHint: true, openWorldHint: false } as const;

/** Serves until the client leaves or the signal fires. @throws INDEX_NOT_FOUND and what opening an index throws */
export async function serveMcp(flags: McpFlags, io: CliIo): Promise<void> {
  const output = new Output(io, { json: true });
  const retrieval = await retrievalOf(flags);
  await using documents = await openDocuments(flags, { io, output, create: false });
  const { index } = documents;
  await using model = new LazyEngine(() => openFor(flags, index, { io, output }));
  const server = new McpServer(
    { name: 'block-attention', version: packageVersion() },
    { instructions: 'Answers questions from the documents that the user has indexed, with the places they stand in.' },
  );
  addTools(server, { index, model, retrieval, flags });
  const transport = new StreamTransport(io.stdin, io.stdout, io.signal);
  await server.connect(transport);
  await transport.ended;
  await server.close();
}

async function openFor(
  flags: McpFlags,
  index: DocumentIndex,
  { io, output }: { readonly io: CliIo; readonly output: Output },
): Promise<OpenedEngine> {
  const store = await openStore(flags.mode === 'full' ? { store: false } : flags, io.env, output);
  return openEngine({ ...flags, model: modelReference(flags.model, io.env, index.model) }, { io, output, store });
}

/** An engine that the first question opens. One that cannot be opened is tried again with the next. */
class LazyEngine implements AsyncDisposable {
  readonly #open: () => Promise<OpenedEngine>;
  #opening: Promise<OpenedEngine> | undefined;

  constructor(open: () => Promise<OpenedEngine>) {
    this.#open = open;
  }

  get(): Promise<OpenedEngine> {
    this.#opening ??= this.#open().catch((error: unknown) => {
      this.#opening = undefined;
      throw error;
    });
    return this.#opening;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const opened = await this.#opening?.catch(() => undefined);
    await opened?.[Symbol.asyncDispose]();
  }
}

interface Parts {
  readonly index: DocumentIndex;
  readonly model: LazyEngine;
  readonly retrieval: SearchOptions;
  readonly flags: McpFlags;
}

function addTools(server: McpServer, { index, model, retrieval, flags }: Parts): void {
  const optionsOf = ({ top, paths, types }: Pick<SearchOptions, 'top' | 'paths' | 'types'>): SearchOptions => ({
    ...retrieval,
    ...(top !== undefined && { top }),
    ...(paths !== undefined && { paths }),
    ...(types !== undefined && { types }),
  });
  server.registerTool(
    'search',
    {
      title: 'Search the documents',
      description: 'Passages of the indexed documents that speak of a question, best first, with file and lines.',
      inputSchema: { question, ...filters },
      outputSchema: { passages: z.array(passageShape), documents: documentsShape },
      annotations: readOnly,
    },
    ({ question: asked, ...filter }, { signal }) =>
      answered(async () => {
        const documents = await index.documents();
        const hits = await index.search(asked, { ...optionsOf(filter), signal });
        const passages = hits.map(reportHit).map(({ source, title, text, score }) => ({ source, title, text, score }));
        const told = passages.map(({ source, title, text }, i) => `[${i + 1}] ${source}  ${title}\n${text}`);
        const none = documents.state === 'ready' ? 'No passage speaks of this.' : withoutAnswer(documents);
        return { text: told.join('\n\n') || none, structured: { passages, documents } };
      }),
  );
  server.registerTool(
    'ask',
    {
      title: 'Ask the documents',
      description: 'Answers a question from the indexed documents alone, by the local model, and cites file and lines.',
      inputSchema: { question, ...filters },
      outputSchema: {
        answer: z.string(),
        citations: z.array(citationShape),
        inDocuments: z.boolean().describe('Whether the documents support the answer, as far as the server can tell.'),
        documents: documentsShape,
        ttftMs: z.number().describe('Time to the first token, in ms.'),
      },
      annotations: readOnly,
    },
    ({ question: asked, ...filter }, { signal }) =>
      answered(async () => {
        const { engine } = await model.get();
        const { mode, maxTokens, minCoverage, excerpts } = flags;
        const policy = policyOf(flags);
        const conversation = createConversation({
          index,
          engine,
          retrieval: optionsOf(filter),
          minCoverage,
          excerpts,
          mode,
          maxTokens,
          policy,
        });
        const result = await conversation.ask(asked, { signal }).result;
        // Half an answer would pass for one.
        if (result.stopReason === 'aborted') throw new BlockAttentionError('ABORTED', 'the question was cancelled');
        const citations = result.citations.map(({ index: number, source, title }) => ({
          index: number,
          source,
          title,
        }));
        const { text: answer, inDocuments, documents, ttftMs } = result;
        const cited = citations.map(({ index: number, source, title }) => `[${number}] ${source}  ${title}`);
        return {
          text: [answer, ...cited].join('\n'),
          structured: { answer, citations, inDocuments, documents, ttftMs },
        };
      }),
  );
  server.registerTool(
    'index_state',
    {
      title: 'State of the index',
      description: 'Which folders are indexed, with how many files and passages, when, and for which model.',
      inputSchema: {},
      outputSchema: {
        directory: z.string(),
        language: z.string(),
        model: z.string().nullable(),
        embeddings: z.string().nullable(),
        documents: documentsShape,
        folders: z.array(folderShape),
      },
      annotations: readOnly,
    },
    () =>
      answered(async () => {
        const documents = await index.documents();
        const folders = index.folders.map(({ root, files, skipped, chunks, updatedAt }) => ({
          root,
          files,
          skipped,
          passages: chunks,
          updatedAt: new Date(updatedAt).toISOString(),
        }));
        const { directory, language } = index;
        const about = { model: index.model ?? null, embeddings: index.embedderReference ?? null };
        const state = { directory, language, ...about, documents, folders };
        return { text: JSON.stringify(state, undefined, 2), structured: state };
      }),
  );
}

interface Told {
  readonly text: string;
  readonly structured: Record<string, unknown>;
}

/** A tool's result. What goes wrong is told to the model, which may ask otherwise; a fault of ours by its code alone. */
async function answered(work: () => Promise<Told>) {
  try {
    const { text, structured } = await work();
    return { content: [{ type: 'text' as const, text }], structuredContent: structured };
  } catch (error) {
    const known = BlockAttentionError.isInstance(error) ? error : new BlockAttentionError('INTERNAL', String(error));
    return { content: [{ type: 'text' as const, text: `[${known.code}] ${known.message}` }], isError: true };
  }
}
