/** Ollama's API over the one model that is served: /api/chat, /api/generate, /api/embed, and what its clients look up. */
import type { Context } from 'hono';
import type { App, ServerContext, ServerEnv } from '../context.ts';
import { retrievalFor, toldOf } from '../documents/retrieved-chat.ts';
import { ollamaError, ollamaPaths } from '../ollama/errors.ts';
import { describeModel, listModel, listRunning, spokenVersion } from '../ollama/models.ts';
import { type OllamaWords, ollamaReplies } from '../ollama/replies.ts';
import {
  chatOf,
  modelOf,
  ollamaChatSchema,
  ollamaEmbedSchema,
  ollamaGenerateSchema,
  ollamaShowSchema,
  questionOf,
  rawOf,
} from '../ollama/requests.ts';
import { describeRoute } from '../pages/openapi.ts';
import { lines } from '../replies/event-stream.ts';
import { respond } from '../replies/run-request.ts';
import { embedderName, embedTexts } from '../requests/embedding.ts';
import { readJson } from '../requests/read-json.ts';
import { RequestError } from '../requests/request-error.ts';
import type { ChatRequest } from '../requests/request-schemas.ts';
import { chatAnswers } from './chat.ts';

type Handler = (c: Context<ServerEnv>) => Promise<Response>;

export function addOllama(app: App, server: ServerContext): void {
  const { modelNames, embedder } = server;
  const post = (
    name: string,
    summary: string,
    handler: Handler,
    request?: Parameters<typeof describeRoute>[1]['request'],
  ) => {
    const path = `${ollamaPaths}${name}`;
    describeRoute(app, { method: 'post', path, summary, ...(request && { request }) });
    app.post(path, handler);
  };
  const get = (name: string, summary: string, body: () => object) => {
    const path = `${ollamaPaths}${name}`;
    describeRoute(app, { method: 'get', path, summary });
    app.get(path, (c) => c.json(body()));
  };

  const chat: Handler = async (c) => {
    const body = await readJson(c, ollamaChatSchema, server.limits);
    if ((body.messages ?? []).length === 0) return c.json(loaded(server, body.model));
    const request = chatOf(body, modelNames);
    const said = (words: OllamaWords) => ({ message: { role: 'assistant', ...words } });
    return answer(c, server, request, body.model, said);
  };
  post('chat', 'Answer a conversation, as Ollama does', chat, ollamaChatSchema);

  const generate: Handler = async (c) => {
    const body = await readJson(c, ollamaGenerateSchema, server.limits);
    if (!body.prompt) return c.json({ ...loaded(server, body.model), response: '' });
    const request = body.raw === true ? rawOf(body, modelNames) : questionOf(body, modelNames);
    const raw = body.raw === true ? body.prompt : undefined;
    return answer(
      c,
      server,
      request,
      body.model,
      ({ content: response, thinking }) => ({ response, ...(thinking !== undefined && { thinking }) }),
      raw,
    );
  };
  post('generate', 'Complete a prompt, as Ollama does', generate, ollamaGenerateSchema);

  const embed: Handler = async (c) => {
    const started = performance.now();
    const { model, input, dimensions } = await readJson(c, ollamaEmbedSchema, server.limits);
    const texts = [input ?? []].flat();
    const { vectors, tokens } =
      texts.length === 0
        ? { vectors: [], tokens: 0 }
        : await embedTexts(c, server, { model, input: texts, dimensions });
    const total_duration = Math.round((performance.now() - started) * 1e6);
    const embeddings = vectors.map((vector) => [...vector]);
    return c.json({ model, embeddings, total_duration, load_duration: 0, prompt_eval_count: tokens });
  };
  post('embed', 'Embed texts, as Ollama does', embed, ollamaEmbedSchema);

  const embeddings: Handler = async (c) => {
    const { model, prompt } = await readJson(c, ollamaEmbedSchema, server.limits);
    if (!prompt) return c.json({ embedding: [] });
    const { vectors } = await embedTexts(c, server, { model, input: [prompt] });
    return c.json({ embedding: [...(vectors[0] ?? [])] });
  };
  post('embeddings', 'Embed one text, for older clients of Ollama', embeddings, ollamaEmbedSchema);

  const show: Handler = async (c) => {
    const { model, name } = await readJson(c, ollamaShowSchema, server.limits);
    const asked = model ?? name ?? '';
    checkName(server, asked);
    return c.json(describeModel(server, isEmbedder(server, asked)));
  };
  post('show', 'Describe the model, as Ollama does', show, ollamaShowSchema);

  const extra = embedder ? [{ name: embedderName(embedder), embedding: true }] : [];
  const served = [...modelNames.map((name) => ({ name, embedding: false })), ...extra];
  get('tags', 'List the models that are served, as Ollama does', () => ({
    models: served.map(({ name, embedding }) => listModel(server, name, embedding)),
  }));
  get('ps', 'List the models that are loaded, as Ollama does', () => ({
    models: served.map(({ name, embedding }) => listRunning(server, name, embedding)),
  }));
  get('version', 'Version of Ollama’s API that the server implements', () => ({ version: spokenVersion }));
}

/** @param raw the prompt as it is, in place of messages */
async function answer(
  c: Context<ServerEnv>,
  server: ServerContext,
  request: ChatRequest,
  model: string,
  said: (words: OllamaWords) => object,
  raw?: string,
): Promise<Response> {
  const { answers, warnings, reader, contentOf, calling } = chatAnswers(request, server);
  const asked =
    raw === undefined
      ? answers
      : answers.map((one) => ({ ...one, raw, question: '', system: undefined, passages: [] }));
  const documents = raw === undefined ? await retrievalFor(c, server, request) : undefined;
  const replies = ollamaReplies(model, said, reader(), (found) => toldOf(found, documents));
  const { retrieve } = documents ?? {};
  const how = { request, answers: asked, warnings, retrieve, contentOf, calling, format: lines, failure: ollamaError };
  return respond(c, server, { ...replies, ...how });
}

/** The answer to a request that asks nothing: clients load a model so. */
function loaded(server: ServerContext, model: string): object {
  checkName(server, model);
  const created_at = new Date().toISOString();
  return { model, created_at, message: { role: 'assistant', content: '' }, done: true, done_reason: 'load' };
}

function isEmbedder({ embedder }: ServerContext, name: string): boolean {
  return embedder !== undefined && name.replace(/:latest$/, '') === embedderName(embedder);
}

/** @throws MODEL_NOT_FOUND */
function checkName(server: ServerContext, name: string): void {
  const { modelNames } = server;
  if (modelNames.includes(modelOf(name, modelNames)) || isEmbedder(server, name)) return;
  const names = modelNames.map((one) => JSON.stringify(one)).join(' or ');
  throw new RequestError('MODEL_NOT_FOUND', `the model ${JSON.stringify(name)} is not served: use ${names}`, 'model');
}
