/** What Ollama's clients look up about models: names with a tag, sizes, families, what a model can do. */
import { createHash } from 'node:crypto';
import { statSync } from 'node:fs';
import type { ServerContext } from '../context.ts';
import { callFormat } from '../tools/formats.ts';

/** Clients ask for a version before they use what came with it. This one has tools, thinking and schemas. */
export const spokenVersion = '0.12.6';

type Served = Pick<ServerContext, 'engine' | 'embedder' | 'created'>;

/** An entry of /api/tags. */
export function listModel(server: Served, name: string, embedding: boolean): Record<string, unknown> {
  const tagged = name.includes(':') ? name : `${name}:latest`;
  const { size, digest } = fileOf(server, embedding);
  const modified_at = new Date(server.created * 1000).toISOString();
  return { name: tagged, model: tagged, modified_at, size, digest, details: detailsOf(server, embedding) };
}

/** An entry of /api/ps: what is served stays loaded. */
export function listRunning(server: Served, name: string, embedding: boolean): Record<string, unknown> {
  const { modified_at: _, ...model } = listModel(server, name, embedding);
  const inAYear = new Date(Date.now() + 365 * 24 * 3600 * 1000).toISOString();
  return { ...model, expires_at: inAYear, size_vram: 0, context_length: server.engine.model.contextTokens };
}

/** /api/show. */
export function describeModel(server: Served, embedding: boolean): Record<string, unknown> {
  const { engine, embedder, created } = server;
  const details = detailsOf(server, embedding);
  const modified_at = new Date(created * 1000).toISOString();
  if (embedding) {
    const info = { 'general.architecture': 'embedding', 'embedding.embedding_length': embedder?.dimensions };
    return {
      modelfile: '',
      parameters: '',
      template: '',
      details,
      model_info: info,
      capabilities: ['embedding'],
      modified_at,
    };
  }
  const { model } = engine;
  const { architecture } = model;
  const thinks = ['enable_thinking', 'reasoning_effort'].some((name) => engine.readsVariable(name));
  return {
    modelfile: '',
    parameters: '',
    template: model.chatTemplate ?? '',
    details,
    model_info: {
      'general.architecture': architecture,
      'general.basename': model.name,
      'general.parameter_count': model.parameters,
      [`${architecture}.block_count`]: model.layers,
      [`${architecture}.context_length`]: model.contextTokens,
      [`${architecture}.embedding_length`]: model.embeddingLength,
      [`${architecture}.attention.head_count`]: model.heads,
      [`${architecture}.attention.head_count_kv`]: model.kvHeads,
    },
    capabilities: ['completion', ...(callFormat(model.chatTemplate) ? ['tools'] : []), ...(thinks ? ['thinking'] : [])],
    modified_at,
  };
}

function detailsOf({ engine }: Served, embedding: boolean): Record<string, unknown> {
  const { architecture, parameters, weightType } = engine.model;
  const family = embedding ? 'embedding' : architecture;
  const size = embedding ? {} : { parameter_size: sizeName(parameters), quantization_level: weightType.toUpperCase() };
  return {
    parent_model: '',
    format: 'gguf',
    family,
    families: [family],
    parameter_size: '',
    quantization_level: '',
    ...size,
  };
}

/** Bytes and digest of the file that a model came from; of an embedding model on another server, of its name. */
function fileOf({ engine, embedder }: Served, embedding: boolean): { readonly size: number; readonly digest: string } {
  if (!embedding) return { size: engine.model.fileBytes, digest: engine.model.digest };
  const { reference = '', identity = '' } = embedder ?? {};
  const digest = createHash('sha256').update(identity).digest('hex');
  return { size: statSync(reference, { throwIfNoEntry: false })?.size ?? 0, digest };
}

/** `135M`, `1.5B`. */
function sizeName(parameters: number): string {
  const [unit, name] = parameters >= 1e9 ? [1e9, 'B'] : parameters >= 1e6 ? [1e6, 'M'] : [1e3, 'K'];
  const amount = parameters / unit;
  return `${amount < 10 ? amount.toFixed(1) : Math.round(amount)}${name}`;
}
