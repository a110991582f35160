/**
 * Text embeddings by libllama: encoders (BERT and its kin) and decoders alike, pooled as the model's file says.
 *
 * One text at a time, from an empty context: a vector depends on its text alone. Calls queue up behind each other.
 */
import koffi from 'koffi';
import { BlockAttentionError } from '../../errors.ts';
import { call } from '../ffi/call.ts';
import { library } from '../ffi/library.ts';
import { allocateMemory, type NativeMemory } from '../ffi/memory.ts';
import { type ContextCalls, contextCalls } from './llama-context.ts';
import { type LlamaModel, loadLlamaModel } from './llama-model.ts';
import { bindTokenize, type TokenizeCall } from './tokenize-call.ts';

export interface EmbeddingModelOptions {
  readonly threads: number;
  /** Longest text in tokens; longer ones are cut off. Defaults to what the model was trained for, at most 2048. */
  readonly maxTokens?: number | undefined;
}

export interface EmbeddingModel extends AsyncDisposable {
  /** Length of a vector. */
  readonly dimensions: number;
  readonly maxTokens: number;
  /** How token vectors become one. Models whose file says nothing are averaged. */
  readonly pooling: 'mean' | 'cls' | 'last';
  /** The vector of a text, of length 1, `[dimensions]`. @throws COMPUTE_FAILED, DISPOSED */
  embed(text: string): Promise<Float32Array>;
  /** Tokens that are read of a text. @throws INVALID_ARGUMENT for a text without any, DISPOSED */
  count(text: string): number;
}

const poolings: Readonly<Record<number, EmbeddingModel['pooling']>> = { 1: 'mean', 2: 'cls', 3: 'last' };
const noPooling = 0;
const meanPooling = 1;
const defaultMostTokens = 2048;
const mostTokenChars = 128;

interface Calls {
  readonly tokenize: TokenizeCall;
  readonly dimensions: (model: bigint) => number;
  readonly trainedContext: (model: bigint) => number;
  readonly pooling: (ctx: bigint) => number;
  readonly vocabularyType: (vocab: bigint) => number;
  readonly embeddings: (ctx: bigint, sequence: number) => bigint | null;
}
let bound: Calls | undefined;

function native(): Calls {
  if (bound === undefined) {
    const { llama } = library();
    const bind = (signature: string) => llama.func(signature) as never;
    bound = {
      tokenize: bindTokenize(),
      dimensions: bind('int32_t llama_model_n_embd(void *model)'),
      trainedContext: bind('int32_t llama_model_n_ctx_train(void *model)'),
      pooling: bind('int llama_pooling_type(void *ctx)'),
      vocabularyType: bind('int llama_vocab_type(void *vocab)'),
      embeddings: bind('void *llama_get_embeddings_seq(void *ctx, int32_t seq)'),
    };
  }
  return bound;
}

/**
 * Loads an embedding model.
 * @throws MODEL_NOT_FOUND, MODEL_INVALID; MODEL_UNSUPPORTED for rerankers and models that make no embeddings;
 *   INVALID_ARGUMENT for numbers out of range
 */
export async function openEmbeddingModel(path: string, options: EmbeddingModelOptions): Promise<EmbeddingModel> {
  for (const [name, value] of Object.entries({ threads: options.threads, maxTokens: options.maxTokens ?? 1 })) {
    if (Number.isInteger(value) && value >= 1) continue;
    throw new BlockAttentionError('INVALID_ARGUMENT', `${name} is ${value}: give a whole number of at least 1`);
  }
  const model = await loadLlamaModel(path, { vocabOnly: false, embedding: true });
  try {
    const { trainedContext, pooling, vocabularyType } = native();
    if (vocabularyType(model.vocab) === 0) {
      throw new BlockAttentionError('MODEL_INVALID', `${path} has no vocabulary: convert the model with its tokenizer`);
    }
    const most = Math.min(options.maxTokens ?? defaultMostTokens, Math.max(1, trainedContext(model.handle)));
    let context = await openContext(model, options.threads, most);
    if (pooling(context) === noPooling) {
      contextCalls().free(context);
      context = await openContext(model, options.threads, most, meanPooling);
    }
    const kind = poolings[pooling(context)];
    if (kind === undefined) {
      contextCalls().free(context);
      throw new BlockAttentionError(
        'MODEL_UNSUPPORTED',
        `${path} ranks texts and gives no embeddings: use another model`,
      );
    }
    return new LlamaEmbeddings(model, context, most, kind);
  } catch (error) {
    model.free();
    throw error;
  }
}

async function openContext(model: LlamaModel, threads: number, tokens: number, pooling = -1): Promise<bigint> {
  const calls = contextCalls();
  const context = await call(calls.init, model.handle, {
    ...calls.defaults,
    n_ctx: tokens,
    // Attention that looks both ways needs all of a text at once.
    n_batch: tokens,
    n_ubatch: tokens,
    n_outputs_max_per_seq: 0,
    n_threads: threads,
    n_threads_batch: threads,
    pooling_type: pooling,
    embeddings: true,
  });
  if (context === null) {
    throw new BlockAttentionError('COMPUTE_FAILED', `llama.cpp makes no context of ${tokens} tokens for embeddings`);
  }
  return context;
}

class LlamaEmbeddings implements EmbeddingModel {
  readonly dimensions: number;
  readonly maxTokens: number;
  readonly pooling: EmbeddingModel['pooling'];
  readonly #calls: ContextCalls = contextCalls();
  readonly #model: LlamaModel;
  readonly #context: bigint;
  readonly #rowType;
  readonly #tokens: NativeMemory;
  readonly #flags: NativeMemory;
  #tail: Promise<unknown> = Promise.resolve();
  #disposed = false;

  constructor(model: LlamaModel, context: bigint, maxTokens: number, pooling: EmbeddingModel['pooling']) {
    this.#model = model;
    this.#context = context;
    this.maxTokens = maxTokens;
    this.pooling = pooling;
    this.dimensions = native().dimensions(model.handle);
    this.#rowType = koffi.array('float', this.dimensions, 'Typed');
    this.#tokens = allocateMemory(maxTokens * 4);
    this.#flags = allocateMemory(maxTokens);
  }

  embed(text: string): Promise<Float32Array> {
    if (this.#disposed) throw new BlockAttentionError('DISPOSED', 'the embedding model was disposed');
    const result = this.#tail.then(() => this.#embed(text));
    this.#tail = result.catch(() => undefined);
    return result;
  }

  count(text: string): number {
    if (this.#disposed) throw new BlockAttentionError('DISPOSED', 'the embedding model was disposed');
    return this.#tokenize(text).length;
  }

  async #embed(text: string): Promise<Float32Array> {
    const tokens = this.#tokenize(text);
    new Int32Array(this.#tokens.bytes.buffer).set(tokens);
    this.#flags.bytes.fill(1);
    const memory = this.#calls.memory(this.#context) as bigint | null;
    // Encoders have none.
    if (memory !== null) this.#calls.clear(memory, true);
    const code = await call(this.#calls.decode, this.#context, {
      n_tokens: tokens.length,
      token: this.#tokens.address,
      embd: null,
      pos: null,
      n_seq_id: null,
      seq_id: null,
      logits: this.#flags.address,
    });
    if (code !== 0) throw new BlockAttentionError('COMPUTE_FAILED', `llama_decode answers ${code}`);
    const address = native().embeddings(this.#context, 0);
    if (address === null) throw new BlockAttentionError('COMPUTE_FAILED', 'llama.cpp gives no embedding');
    return normalised(Float32Array.from(koffi.decode(address, this.#rowType) as Float32Array));
  }

  /** With the marks the model was trained with at both ends; what is too long loses its middle-to-end, not the mark. */
  #tokenize(text: string): Int32Array {
    // What is cut off all the same is not read: tokens of more than some dozen bytes are rare.
    const bytes = new TextEncoder().encode(text.slice(0, this.maxTokens * mostTokenChars));
    const { tokenize } = native();
    let out = new Int32Array(bytes.length + 8);
    let count = tokenize(this.#model.vocab, bytes, bytes.length, out, out.length, true, false);
    if (count < 0) {
      out = new Int32Array(-count);
      count = tokenize(this.#model.vocab, bytes, bytes.length, out, out.length, true, false);
    }
    if (count < 1) throw new BlockAttentionError('INVALID_ARGUMENT', 'a text without tokens has no embedding');
    if (count <= this.maxTokens) return out.subarray(0, count);
    const cut = out.slice(0, this.maxTokens);
    cut[this.maxTokens - 1] = out[count - 1] ?? 0;
    return cut;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#disposed) return;
    this.#disposed = true;
    await this.#tail;
    this.#calls.free(this.#context);
    this.#model.free();
    this.#tokens.free();
    this.#flags.free();
  }
}

function normalised(vector: Float32Array): Float32Array {
  let sum = 0;
  for (const value of vector) sum += value * value;
  const length = Math.sqrt(sum);
  if (!(length > 0) || !Number.isFinite(length)) {
    throw new BlockAttentionError('COMPUTE_FAILED', `an embedding has length ${length}: the model does not work`);
  }
  return vector.map((value) => value / length);
}
