/** Vercel AI SDK: a provider of language models. docs/adapters.md tells how documents reach them. */
import {
  APICallError,
  type LanguageModelV3,
  type LanguageModelV3CallOptions,
  type LanguageModelV3FilePart,
  type LanguageModelV3GenerateResult,
  type LanguageModelV3StreamPart,
  type LanguageModelV3StreamResult,
  type LanguageModelV3Usage,
  NoSuchModelError,
  type ProviderV3,
  type SharedV3ProviderMetadata,
  type SharedV3ProviderOptions,
  type SharedV3Warning,
  UnsupportedFunctionalityError,
} from '@ai-sdk/provider';
import { BlockAttentionError } from '@block-attention/engine/internal/base';
import type { Passage } from '@block-attention/engine/internal/engine';
import { z } from 'zod';
import { type ChatCall, ChatClient, type ChatEnd, type ChatMessage, type SourceOptions } from './client.ts';

export { markDocument } from './documents.ts';

export interface BlockAttentionProvider extends ProviderV3 {
  /** @param modelId defaults to the model that the engine or the server has */
  (modelId?: string): LanguageModelV3;
}

/** Name in `providerOptions` and `providerMetadata`. */
const providerName = 'blockAttention';

const optionsSchema = z.looseObject({
  documents: z
    .array(
      z.object({
        id: z.string().optional(),
        title: z.string().optional(),
        text: z.string(),
        previous: z.object({ title: z.string().optional(), text: z.string() }).optional(),
      }),
    )
    .optional(),
});

/** @throws INVALID_ARGUMENT unless exactly one of engine and url is given */
export type { SourceOptions };

export function createBlockAttention(options: SourceOptions): BlockAttentionProvider {
  const languageModel = (modelId?: string) => {
    const model = modelId ?? options.model;
    // In process there is one model, whatever it is called.
    return new BlockAttentionModel(new ChatClient({ ...options, model: options.engine ? undefined : model }), model);
  };
  const none = (modelType: 'embeddingModel' | 'imageModel') => (modelId: string) => {
    throw new NoSuchModelError({ modelId, modelType });
  };
  return Object.assign((modelId?: string) => languageModel(modelId), {
    specificationVersion: 'v3' as const,
    languageModel,
    embeddingModel: none('embeddingModel'),
    imageModel: none('imageModel'),
  });
}

class BlockAttentionModel implements LanguageModelV3 {
  readonly specificationVersion = 'v3';
  readonly provider = 'block-attention';
  readonly modelId: string;
  readonly supportedUrls = {};
  readonly #client: ChatClient;

  constructor(client: ChatClient, modelId: string | undefined) {
    this.#client = client;
    this.modelId = modelId ?? 'default';
  }

  async doGenerate(options: LanguageModelV3CallOptions): Promise<LanguageModelV3GenerateResult> {
    const { call, warnings } = callOf(options);
    let text = '';
    let end: ChatEnd | undefined;
    try {
      for await (const event of this.#client.stream(call)) {
        if (event.type === 'text') text += event.text;
        else end = event;
      }
    } catch (error) {
      throw asCallError(error, this.#client.address, options.prompt);
    }
    if (end === undefined)
      throw new BlockAttentionError(
        'SERVER_UNREACHABLE',
        'the answer ended without its usage and timings: is the server a block-attention server?',
      );
    return {
      content: [{ type: 'text', text }],
      warnings,
      finishReason: { unified: end.finishReason, raw: end.finishReason },
      usage: usageOf(end),
      providerMetadata: metadataOf(end),
      response: { id: end.id, modelId: end.model },
    };
  }

  async doStream(options: LanguageModelV3CallOptions): Promise<LanguageModelV3StreamResult> {
    const { call, warnings } = callOf(options);
    const events = this.#client.stream(call);
    const fail = (error: unknown) => asCallError(error, this.#client.address, options.prompt);
    // What is refused shows before the first piece: as an error of the call, which the SDK may try again.
    const first = await events.next().catch((error: unknown) => {
      throw fail(error);
    });
    async function* parts(): AsyncGenerator<LanguageModelV3StreamPart, void> {
      yield { type: 'stream-start', warnings };
      yield { type: 'text-start', id: '0' };
      try {
        for (let next = first; !next.done; next = await events.next()) {
          const event = next.value;
          if (event.type === 'text') {
            yield { type: 'text-delta', id: '0', delta: event.text };
            continue;
          }
          yield { type: 'text-end', id: '0' };
          yield { type: 'response-metadata', id: event.id, modelId: event.model };
          const finishReason = { unified: event.finishReason, raw: event.finishReason };
          yield { type: 'finish', usage: usageOf(event), finishReason, providerMetadata: metadataOf(event) };
        }
      } catch (error) {
        if (call.signal?.aborted) throw error;
        yield { type: 'error', error: fail(error) };
      } finally {
        await events.return();
      }
    }
    return { stream: streamOf(parts()) };
  }
}

function streamOf(parts: AsyncGenerator<LanguageModelV3StreamPart, void>): ReadableStream<LanguageModelV3StreamPart> {
  return new ReadableStream({
    async pull(controller) {
      try {
        const { done, value } = await parts.next();
        if (done) controller.close();
        else controller.enqueue(value);
      } catch (error) {
        controller.error(error);
      }
    },
    async cancel() {
      await parts.return();
    },
  });
}

function callOf(options: LanguageModelV3CallOptions): { call: ChatCall; warnings: SharedV3Warning[] } {
  const warnings: SharedV3Warning[] = [];
  if ((options.tools ?? []).length > 0) {
    if (options.toolChoice?.type === 'required' || options.toolChoice?.type === 'tool') {
      throw new UnsupportedFunctionalityError({ functionality: 'tools' });
    }
    warnings.push({ type: 'unsupported', feature: 'tools' });
  }
  if (options.topK !== undefined) warnings.push({ type: 'unsupported', feature: 'topK' });
  const documents: Passage[] = [];
  const rest = takeDocuments(options.providerOptions, documents);
  const messages = options.prompt.map((message) => chatMessage(message, documents));
  const { responseFormat } = options;
  const schema = responseFormat?.type === 'json' ? responseFormat.schema : undefined;
  const call: ChatCall = {
    messages,
    documents,
    temperature: options.temperature,
    topP: options.topP,
    maxTokens: options.maxOutputTokens,
    stop: options.stopSequences,
    seed: options.seed,
    frequencyPenalty: options.frequencyPenalty,
    presencePenalty: options.presencePenalty,
    responseFormat:
      responseFormat?.type !== 'json'
        ? undefined
        : schema === undefined
          ? { type: 'json_object' }
          : { type: 'json_schema', json_schema: { name: responseFormat.name ?? 'answer', schema } },
    blockAttention: rest,
    signal: options.abortSignal,
  };
  return { call, warnings };
}

/** Documents of `providerOptions` of a call, a message or a part; the other options are returned. */
function takeDocuments(options: SharedV3ProviderOptions | undefined, documents: Passage[]): object | undefined {
  const own = options?.[providerName];
  if (own === undefined) return undefined;
  const parsed = optionsSchema.safeParse(own);
  if (!parsed.success) {
    const [issue] = parsed.error.issues;
    const where = `providerOptions.${providerName}.${issue?.path.join('.') ?? ''}`;
    throw new BlockAttentionError('INVALID_ARGUMENT', `${where}: ${issue?.message ?? 'malformed'}`);
  }
  const { documents: found = [], ...rest } = parsed.data;
  documents.push(...found);
  return Object.keys(rest).length > 0 ? rest : undefined;
}

function chatMessage(message: LanguageModelV3CallOptions['prompt'][number], documents: Passage[]): ChatMessage {
  takeDocuments(message.providerOptions, documents);
  if (message.role === 'system') return message;
  if (message.role === 'tool') throw new UnsupportedFunctionalityError({ functionality: 'tool messages' });
  const texts: string[] = [];
  for (const part of message.content) {
    if (part.type === 'text') texts.push(part.text);
    else if (part.type === 'file') documents.push(documentOfFile(part));
    else if (part.type !== 'reasoning')
      throw new UnsupportedFunctionalityError({ functionality: `${part.type} parts` });
    takeDocuments(part.providerOptions, documents);
  }
  return { role: message.role, content: texts.join('\n') };
}

/** A file of text is a document titled by its name. */
function documentOfFile({ data, mediaType, filename }: LanguageModelV3FilePart): Passage {
  const isText = mediaType.startsWith('text/') || mediaType === 'application/json';
  if (!isText || data instanceof URL) {
    throw new UnsupportedFunctionalityError({ functionality: `file parts of type ${mediaType}: send text` });
  }
  const bytes = typeof data === 'string' ? Buffer.from(data, 'base64') : data;
  return { id: filename, title: filename, text: new TextDecoder().decode(bytes) };
}

function usageOf({ usage }: ChatEnd): LanguageModelV3Usage {
  const { promptTokens, completionTokens, cachedTokens } = usage;
  return {
    inputTokens: {
      total: promptTokens,
      noCache: promptTokens - cachedTokens,
      cacheRead: cachedTokens,
      cacheWrite: undefined,
    },
    outputTokens: { total: completionTokens, text: completionTokens, reasoning: undefined },
  };
}

function metadataOf({ account }: ChatEnd): SharedV3ProviderMetadata {
  // A copy without undefined fields: metadata are JSON.
  return { [providerName]: JSON.parse(JSON.stringify(account ?? {})) };
}

const retryable = new Set(['OVERLOADED', 'SHUTTING_DOWN', 'SERVER_UNREACHABLE', 'STORE_FULL']);

/** Errors as the SDK expects them: those that may pass are tried again by it. */
function asCallError(error: unknown, url: string, requestBodyValues: unknown): unknown {
  if (!BlockAttentionError.isInstance(error) || error.code === 'ABORTED') return error;
  const { message, status: statusCode, code } = error;
  const isRetryable = retryable.has(code);
  return new APICallError({ message, url, requestBodyValues, statusCode, isRetryable, cause: error, data: { code } });
}
