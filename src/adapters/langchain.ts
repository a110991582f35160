/**
 * LangChain.js: a chat model, and ways to hand it documents without changing a chain's shape. docs/adapters.md tells
 * which fits where.
 */

import { BlockAttentionError } from '@block-attention/engine/internal/base';
import type { Passage } from '@block-attention/engine/internal/engine';
import type { CallbackManagerForLLMRun } from '@langchain/core/callbacks/manager';
import { Document, type DocumentInterface } from '@langchain/core/documents';
import type { BaseLanguageModelInput, StructuredOutputMethodOptions } from '@langchain/core/language_models/base';
import {
  BaseChatModel,
  type BaseChatModelCallOptions,
  type BaseChatModelParams,
} from '@langchain/core/language_models/chat_models';
import {
  assembleStructuredOutputPipeline,
  createContentParser,
} from '@langchain/core/language_models/structured_output';
import { AIMessageChunk, type BaseMessage } from '@langchain/core/messages';
import { ChatGenerationChunk, type ChatResult } from '@langchain/core/outputs';
import { StringPromptValue } from '@langchain/core/prompt_values';
import { BasePromptTemplate } from '@langchain/core/prompts';
import { BaseDocumentCompressor } from '@langchain/core/retrievers/document_compressors';
import type { Runnable } from '@langchain/core/runnables';
import { toJsonSchema } from '@langchain/core/utils/json_schema';
import { ChatClient, type ChatMessage, type SourceOptions } from './client.ts';
import { markDocument, readDocument } from './documents.ts';

export interface ChatBlockAttentionFields extends BaseChatModelParams, SourceOptions {
  readonly temperature?: number | undefined;
  readonly topP?: number | undefined;
  readonly maxTokens?: number | undefined;
  readonly seed?: number | undefined;
  readonly stop?: readonly string[] | undefined;
  /** Field `block_attention` of every request: `mode`, `policy` and so on. */
  readonly blockAttention?: object | undefined;
}

export type { SourceOptions };

export interface ChatBlockAttentionCallOptions extends BaseChatModelCallOptions {
  /** Documents of this call, each a block. */
  documents?: readonly (DocumentInterface | Passage)[];
  /** As in OpenAI's API. */
  response_format?: object;
  maxTokens?: number;
}

/** Answers from an engine or a server. `response_metadata.block_attention` of a message is its account. */
export class ChatBlockAttention extends BaseChatModel<ChatBlockAttentionCallOptions> {
  readonly #client: ChatClient;
  readonly #fields: ChatBlockAttentionFields;

  constructor(fields: ChatBlockAttentionFields) {
    super(fields);
    this.#client = new ChatClient(fields);
    this.#fields = fields;
  }

  static override lc_name(): string {
    return 'ChatBlockAttention';
  }

  override _llmType(): string {
    return 'block-attention';
  }

  /** Has the documents' blocks encoded, as far as they are not. @throws what a request does */
  warm(documents: readonly (DocumentInterface | Passage)[]): Promise<void> {
    return this.#client.warm(documents.map(passageOfDocument));
  }

  override async _generate(
    messages: BaseMessage[],
    options: this['ParsedCallOptions'],
    runManager?: CallbackManagerForLLMRun,
  ): Promise<ChatResult> {
    let whole: ChatGenerationChunk | undefined;
    for await (const chunk of this._streamResponseChunks(messages, options, runManager)) {
      whole = whole ? whole.concat(chunk) : chunk;
    }
    return { generations: whole ? [whole] : [] };
  }

  override async *_streamResponseChunks(
    messages: BaseMessage[],
    options: this['ParsedCallOptions'],
    runManager?: CallbackManagerForLLMRun,
  ): AsyncGenerator<ChatGenerationChunk> {
    const fields = this.#fields;
    const documents: Passage[] = (options.documents ?? []).map(passageOfDocument);
    const events = this.#client.stream({
      messages: messages.map((message) => chatMessage(message, documents)),
      documents,
      temperature: fields.temperature,
      topP: fields.topP,
      maxTokens: options.maxTokens ?? fields.maxTokens,
      seed: fields.seed,
      stop: options.stop ?? fields.stop,
      responseFormat: options.response_format,
      blockAttention: fields.blockAttention,
      signal: options.signal,
    });
    for await (const event of events) {
      if (event.type === 'text') {
        yield new ChatGenerationChunk({ text: event.text, message: new AIMessageChunk({ content: event.text }) });
        await runManager?.handleLLMNewToken(event.text);
        continue;
      }
      const { promptTokens, completionTokens, cachedTokens } = event.usage;
      const message = new AIMessageChunk({
        content: '',
        response_metadata: {
          model_name: event.model,
          finish_reason: event.finishReason,
          block_attention: event.account,
        },
      });
      const usage_metadata = {
        input_tokens: promptTokens,
        output_tokens: completionTokens,
        total_tokens: promptTokens + completionTokens,
        input_token_details: { cache_read: cachedTokens },
      };
      // Its declared type is that of messages without usage.
      Object.assign(message, { usage_metadata });
      yield new ChatGenerationChunk({ text: '', message, generationInfo: { finish_reason: event.finishReason } });
    }
  }

  /** The answer follows the schema by grammar: whatever the model, it parses, unless maxTokens cuts it off. */
  // biome-ignore lint/suspicious/noExplicitAny: the overloads are the base class's
  override withStructuredOutput(schema: any, config?: StructuredOutputMethodOptions<boolean>): any {
    const { name = config?.name ?? 'answer', ...rest } = toJsonSchema(schema) as Record<string, unknown>;
    const response_format = { type: 'json_schema', json_schema: { name, schema: rest } };
    const model: Runnable<BaseLanguageModelInput> = this.withConfig({ response_format });
    return assembleStructuredOutputPipeline(model, createContentParser(schema), config?.includeRaw ?? false);
  }
}

const roles = new Map<string, ChatMessage['role']>([
  ['system', 'system'],
  ['human', 'user'],
  ['ai', 'assistant'],
]);

function chatMessage(message: BaseMessage, documents: Passage[]): ChatMessage {
  const { type } = message;
  const role = roles.get(type);
  if (role === undefined) {
    throw new BlockAttentionError(
      'INVALID_ARGUMENT',
      `a message of type ${type} cannot be sent: models here call no tools`,
    );
  }
  const given: unknown = message.additional_kwargs.documents;
  if (Array.isArray(given)) documents.push(...given.map(passageOfDocument));
  if (typeof message.content === 'string') return { role, content: message.content };
  const texts: string[] = [];
  for (const part of message.content) {
    if (part.type === 'text' && typeof part.text === 'string') texts.push(part.text);
    else if (part.type === 'text-plain' && typeof part.text === 'string')
      documents.push(passageOfPart(part, part.text));
    else if (part.type === 'document') documents.push(passageOfDocument(part.document));
    else throw new BlockAttentionError('INVALID_ARGUMENT', `a part of type ${part.type} cannot be sent: send text`);
  }
  return { role, content: texts.join('\n') };
}

function passageOfPart(part: object, text: string): Passage {
  return { title: 'title' in part && typeof part.title === 'string' ? part.title : undefined, text };
}

/** What a document is as a block: its text, and its title when its metadata have one. @throws INVALID_ARGUMENT */
export function passageOfDocument(document: unknown): Passage {
  if (typeof document === 'object' && document !== null) {
    if ('text' in document && typeof document.text === 'string') return readDocument(document, document.text);
    if ('pageContent' in document && typeof document.pageContent === 'string') {
      const metadata = 'metadata' in document && typeof document.metadata === 'object' ? (document.metadata ?? {}) : {};
      const source = 'source' in metadata ? metadata.source : undefined;
      const id = 'id' in document ? document.id : undefined;
      return readDocument({ id: id ?? source, ...metadata }, document.pageContent);
    }
  }
  throw new BlockAttentionError(
    'INVALID_ARGUMENT',
    'a document is malformed: give Documents, or {id?, title?, text, previous?}',
  );
}

/** In place of a function that joins documents to one string: the model finds them in the prompt again. */
export function formatDocumentsAsBlocks(documents: readonly DocumentInterface[]): string {
  return documents.map((document) => markDocument(passageOfDocument(document))).join('\n\n');
}

/** `documentPrompt` of chains that stuff documents into a prompt: each becomes a block. */
export class BlockDocumentPrompt extends BasePromptTemplate {
  override lc_namespace = ['block-attention', 'prompts'];

  constructor() {
    super({ inputVariables: ['page_content'] });
  }

  override _getPromptType(): 'prompt' {
    return 'prompt';
  }

  override async partial(): Promise<BasePromptTemplate> {
    return this;
  }

  override async format({ page_content, ...metadata }: Record<string, unknown>): Promise<string> {
    return markDocument(passageOfDocument({ pageContent: page_content, metadata }));
  }

  override async formatPromptValue(values: Record<string, unknown>): Promise<StringPromptValue> {
    return new StringPromptValue(await this.format(values));
  }
}

export interface BlockDocumentCompressorFields {
  /** Has the documents' blocks encoded while the prompt is still being put together. Defaults to none. */
  readonly model?: ChatBlockAttention | undefined;
  /** Documents kept, first ones first. Defaults to all. */
  readonly top?: number | undefined;
}

/**
 * For a ContextualCompressionRetriever: drops repeated documents and marks the others, so that any chain behind it
 * hands them to the model as blocks. `metadata.originalContent` keeps the text as it was, for showing.
 */
export class BlockDocumentCompressor extends BaseDocumentCompressor {
  readonly #fields: BlockDocumentCompressorFields;

  constructor(fields: BlockDocumentCompressorFields = {}) {
    super();
    this.#fields = fields;
  }

  override async compressDocuments(documents: DocumentInterface[], _query: string): Promise<DocumentInterface[]> {
    const { model, top = documents.length } = this.#fields;
    const kept = [...new Map(documents.map((document) => [document.pageContent, document])).values()].slice(0, top);
    // Ahead of the question only: when it fails, the question says so.
    if (kept.length > 0) model?.warm(kept).catch(() => {});
    return kept.map((document) => {
      const { id, metadata, pageContent } = document;
      const marked = { pageContent: markDocument(passageOfDocument(document)) };
      return new Document({
        ...marked,
        metadata: { ...metadata, originalContent: pageContent },
        ...(id ? { id } : {}),
      });
    });
  }
}
