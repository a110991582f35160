/** LlamaIndex.TS: an LLM, and a response synthesizer that hands it nodes as blocks. See docs/adapters.md. */
import {
  BaseLLM,
  type ChatResponse,
  type ChatResponseChunk,
  type LLMChatParamsNonStreaming,
  type LLMChatParamsStreaming,
  type LLMMetadata,
  type ChatMessage as LlamaMessage,
  type MessageContent,
} from '@llamaindex/core/llms';
import { BaseSynthesizer } from '@llamaindex/core/response-synthesizers';
import { EngineResponse, MetadataMode, type NodeWithScore } from '@llamaindex/core/schema';
import { extractText } from '@llamaindex/core/utils';
import { z } from 'zod';
import type { Passage } from '../engine/index.ts';
import { BlockAttentionError } from '../errors.ts';
import { ChatClient, type ChatEvent, type ChatMessage, type SourceOptions } from './client.ts';

export { markDocument } from './documents.ts';

export interface BlockAttentionLLMOptions extends SourceOptions {
  readonly temperature?: number | undefined;
  readonly topP?: number | undefined;
  readonly maxTokens?: number | undefined;
  readonly seed?: number | undefined;
  /** Tokens of the context. Defaults to the engine's; for a server to 2048. */
  readonly contextWindow?: number | undefined;
  /** Field `block_attention` of every request: `mode`, `policy` and so on. */
  readonly blockAttention?: object | undefined;
}

export interface BlockAttentionChatOptions {
  readonly documents?: readonly Passage[] | undefined;
  readonly signal?: AbortSignal | undefined;
}

type Streaming = LLMChatParamsStreaming<BlockAttentionChatOptions>;
type Whole = LLMChatParamsNonStreaming<BlockAttentionChatOptions>;

/** Answers from an engine or a server. `raw` of a response, or of a stream's last chunk, is the account. */
export class BlockAttentionLLM extends BaseLLM<BlockAttentionChatOptions> {
  readonly #client: ChatClient;
  readonly #options: BlockAttentionLLMOptions;

  constructor(options: BlockAttentionLLMOptions) {
    super();
    this.#client = new ChatClient(options);
    this.#options = options;
  }

  override get metadata(): LLMMetadata {
    const { engine, model, temperature = 0, topP = 1, maxTokens, contextWindow } = this.#options;
    return {
      model: model ?? engine?.model.name ?? 'block-attention',
      temperature,
      topP,
      maxTokens,
      contextWindow: contextWindow ?? engine?.model.contextTokens ?? 2048,
      tokenizer: undefined,
      structuredOutput: true,
    };
  }

  override chat(params: Streaming): Promise<AsyncIterable<ChatResponseChunk>>;
  override chat(params: Whole): Promise<ChatResponse>;
  override async chat(params: Streaming | Whole): Promise<AsyncIterable<ChatResponseChunk> | ChatResponse> {
    if ((params.tools ?? []).length > 0) {
      throw new BlockAttentionError('INVALID_ARGUMENT', 'tools cannot be used: models here call none');
    }
    const { documents = [], signal } = params.additionalChatOptions ?? {};
    const { temperature, topP, maxTokens, seed, blockAttention } = this.#options;
    const events = this.#client.stream({
      messages: params.messages.map(chatMessage),
      documents,
      temperature,
      topP,
      maxTokens,
      seed,
      responseFormat: formatOf(params.responseFormat),
      blockAttention,
      signal,
    });
    if (params.stream) return chunks(events);
    let content = '';
    let raw: object | null = null;
    for await (const event of events) {
      if (event.type === 'text') content += event.text;
      else raw = event;
    }
    return { message: { role: 'assistant', content }, raw };
  }
}

async function* chunks(events: AsyncGenerator<ChatEvent, void>): AsyncGenerator<ChatResponseChunk, void> {
  for await (const event of events) {
    if (event.type === 'text') yield { delta: event.text, raw: null };
    else yield { delta: '', raw: event };
  }
}

function chatMessage({ role, content }: LlamaMessage): ChatMessage {
  const known: ChatMessage['role'] = role === 'user' || role === 'assistant' ? role : 'system';
  if (typeof content === 'string') return { role: known, content };
  const texts = content.map((part) => {
    if (part.type === 'text') return part.text;
    throw new BlockAttentionError('INVALID_ARGUMENT', `a part of type ${part.type} cannot be sent: send text`);
  });
  return { role: known, content: texts.join('\n') };
}

function formatOf(format: object | undefined): object | undefined {
  if (format === undefined || ('type' in format && typeof format.type === 'string' && format.type.startsWith('json'))) {
    return format;
  }
  const schema = format instanceof z.ZodType ? z.toJSONSchema(format) : format;
  return { type: 'json_schema', json_schema: { name: 'answer', schema } };
}

export interface BlockSynthesizerOptions {
  readonly llm: BlockAttentionLLM;
  /** Defaults to the instruction of the model's template. */
  readonly instruction?: string | undefined;
}

/** In place of the synthesizers that join nodes to one text: every node is a block, and one call answers. */
export class BlockSynthesizer extends BaseSynthesizer {
  readonly #llm: BlockAttentionLLM;
  readonly #instruction: string | undefined;

  constructor({ llm, instruction }: BlockSynthesizerOptions) {
    super({ llm });
    this.#llm = llm;
    this.#instruction = instruction;
  }

  protected override async getResponse(
    query: MessageContent,
    nodes: NodeWithScore[],
    stream: boolean,
  ): Promise<EngineResponse | AsyncIterable<EngineResponse>> {
    const instruction = this.#instruction;
    const messages: LlamaMessage[] = [
      ...(instruction === undefined ? [] : [{ role: 'system' as const, content: instruction }]),
      { role: 'user', content: extractText(query) },
    ];
    const params = { messages, additionalChatOptions: { documents: nodes.map(passageOfNode) } };
    if (!stream) return EngineResponse.fromChatResponse(await this.#llm.chat(params), nodes);
    const answer = await this.#llm.chat({ ...params, stream: true });
    async function* responses() {
      for await (const chunk of answer) yield EngineResponse.fromChatResponseChunk(chunk, nodes);
    }
    return responses();
  }

  protected _getPrompts(): Record<string, never> {
    return {};
  }
  protected _updatePrompts(): void {}
  protected _getPromptModules(): Record<string, never> {
    return {};
  }
}

/** A node's text, and its title when its metadata have one. */
export function passageOfNode({ node }: NodeWithScore): Passage {
  const metadata: Readonly<Record<string, unknown>> = node.metadata;
  const title = metadata.title ?? metadata.file_name;
  return {
    id: node.id_,
    title: typeof title === 'string' ? title : undefined,
    text: node.getContent(MetadataMode.NONE),
  };
}
