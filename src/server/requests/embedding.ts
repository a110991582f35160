/**
 * Texts to vectors, as both doors for embeddings ask: OpenAI's and Ollama's. One model answers, whatever its name in the
 * request is spelt like.
 */
import { basename } from 'node:path';
import { BlockAttentionError } from '@block-attention/engine/internal/base';
import type { Context } from 'hono';
import type { Embedder } from '../../rag/embed/embedder.ts';
import type { ServerContext, ServerEnv } from '../context.ts';
import { Cancellation } from '../operate/cancellation.ts';
import { RequestError } from './request-error.ts';

/** Texts of one request. */
export const mostTexts = 2048;

export interface Embedded {
  /** `[texts][dimensions]`, each of length 1. */
  readonly vectors: readonly Float32Array[];
  /** Tokens of all texts; 0 where the model does not tell. */
  readonly tokens: number;
}

/** What the embedding model is called: the name of its file, or the `model` of its server's address. */
export function embedderName({ reference }: Embedder): string {
  const named = URL.canParse(reference) ? new URL(reference).searchParams.get('model') : null;
  return named ?? basename(reference).replace(/\.gguf$/i, '');
}

/**
 * @param dimensions the first so many of each vector, made to length 1 again: of use with models that were trained so.
 *   Defaults to all
 * @throws MODEL_NOT_FOUND without an embedding model, or for another name; INVALID_ARGUMENT naming the field; OVERLOADED
 */
export async function embedTexts(
  c: Context<ServerEnv>,
  { embedder, admission, limits, halt }: ServerContext,
  { model, input, dimensions }: { model: string; input: readonly string[]; dimensions?: number | null | undefined },
): Promise<Embedded> {
  if (embedder === undefined) {
    throw new BlockAttentionError('MODEL_NOT_FOUND', 'no embedding model is loaded: start the server with --embed');
  }
  const name = embedderName(embedder);
  if (![name, `${name}:latest`, embedder.reference].includes(model)) {
    const message = `the embedding model ${JSON.stringify(model)} is not loaded: use ${JSON.stringify(name)}`;
    throw new RequestError('MODEL_NOT_FOUND', message, 'model');
  }
  const blank = input.indexOf('');
  if (blank >= 0) throw new RequestError('INVALID_ARGUMENT', `input.${blank}: it has no text: give it some`, 'input');
  const length = dimensions ?? embedder.dimensions;
  if (length > embedder.dimensions) {
    const message = `dimensions: the model has ${embedder.dimensions}: give at most those`;
    throw new RequestError('INVALID_ARGUMENT', message, 'dimensions');
  }
  const cancellation = new Cancellation(limits.deadlineMs, c.req.raw.signal, halt);
  let leave: (() => void) | undefined;
  try {
    leave = await admission.enter(c.get('tenant').name, cancellation.signal);
    const vectors = await embedder.embed(input, 'plain', cancellation.signal);
    const tokens = input.reduce((sum, text) => sum + (embedder.count?.(text) ?? 0), 0);
    return { vectors: length === embedder.dimensions ? vectors : vectors.map((all) => shortened(all, length)), tokens };
  } catch (error) {
    throw cancellation.explain(error);
  } finally {
    leave?.();
    cancellation[Symbol.dispose]();
  }
}

function shortened(vector: Float32Array, length: number): Float32Array {
  const part = vector.subarray(0, length);
  const norm = Math.hypot(...part);
  return norm > 0 ? part.map((value) => value / norm) : part;
}
