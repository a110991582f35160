/**
 * A model of libllama that makes one vector of a whole text: encoders (BERT and its kin) and decoders alike. What the vector
 * is for is the caller's to know (embedding-model.ts, reranking-model.ts).
 *
 * One text at a time, from an empty context: what comes out depends on its text alone. Calls queue up behind each other.
 */
import koffi from 'koffi';
import { BlockAttentionError } from '../../errors.ts';
import { call } from '../ffi/call.ts';
import { library } from '../ffi/library.ts';
import { allocateMemory, type NativeMemory } from '../ffi/memory.ts';
import { type ContextCalls, contextCalls } from './llama-context.ts';
import { type LlamaModel, loadLlamaModel } from './llama-model.ts';
import { bindTokenize, type TokenizeCall } from './tokenize-call.ts';

export interface PooledModelOptions {
  readonly threads: number;
  /** Longest text in tokens. Defaults to what the model was trained for, at most 2048. */
  readonly maxTokens?: number | undefined;
}

/** llama.cpp's numbers of how the vectors of tokens become one. */
export const poolings = { unsaid: -1, none: 0, mean: 1, cls: 2, last: 3, rank: 4 } as const;
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

export class PooledModel implements AsyncDisposable {
  readonly maxTokens: number;
  /** As in `poolings`. */
  readonly pooling: number;
  readonly model: LlamaModel;
  readonly #calls: ContextCalls = contextCalls();
  readonly #context: bigint;
  readonly #tokens: NativeMemory;
  readonly #flags: NativeMemory;
  #tail: Promise<unknown> = Promise.resolve();
  #disposed = false;

  private constructor(model: LlamaModel, context: bigint, maxTokens: number) {
    this.model = model;
    this.#context = context;
    this.maxTokens = maxTokens;
    this.pooling = native().pooling(context);
    this.#tokens = allocateMemory(maxTokens * 4);
    this.#flags = allocateMemory(maxTokens);
  }

  /**
   * @param otherwise how files are pooled that say nothing
   * @throws MODEL_NOT_FOUND, MODEL_INVALID; COMPUTE_FAILED; INVALID_ARGUMENT for numbers out of range
   */
  static async open(path: string, options: PooledModelOptions, otherwise: number): Promise<PooledModel> {
    for (const [name, value] of Object.entries({ threads: options.threads, maxTokens: options.maxTokens ?? 1 })) {
      if (Number.isInteger(value) && value >= 1) continue;
      throw new BlockAttentionError('INVALID_ARGUMENT', `${name} is ${value}: give a whole number of at least 1`);
    }
    const model = await loadLlamaModel(path, { vocabOnly: false, embedding: true });
    try {
      const { trainedContext, pooling, vocabularyType } = native();
      if (vocabularyType(model.vocab) === 0) {
        throw new BlockAttentionError(
          'MODEL_INVALID',
          `${path} has no vocabulary: convert the model with its tokenizer`,
        );
      }
      const most = Math.min(options.maxTokens ?? defaultMostTokens, Math.max(1, trainedContext(model.handle)));
      let context = await openContext(model, options.threads, most);
      if (pooling(context) === poolings.none) {
        contextCalls().free(context);
        context = await openContext(model, options.threads, most, otherwise);
      }
      return new PooledModel(model, context, most);
    } catch (error) {
      model.free();
      throw error;
    }
  }

  /** Length of a vector that is not a score. */
  get dimensions(): number {
    return native().dimensions(this.model.handle);
  }

  /** What the model makes of some tokens, its first `length` numbers. @throws COMPUTE_FAILED, DISPOSED */
  run(tokens: Int32Array, length: number): Promise<Float32Array> {
    this.check();
    const result = this.#tail.then(() => this.#run(tokens, length));
    this.#tail = result.catch(() => undefined);
    return result;
  }

  async #run(tokens: Int32Array, length: number): Promise<Float32Array> {
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
    return Float32Array.from(koffi.decode(address, koffi.array('float', length, 'Typed')) as Float32Array);
  }

  /** @param marks with the marks the model was trained with at both ends. @throws DISPOSED */
  tokenize(text: string, marks: boolean): Int32Array {
    this.check();
    // What is cut off all the same is not read: tokens of more than some dozen bytes are rare.
    const bytes = new TextEncoder().encode(text.slice(0, this.maxTokens * mostTokenChars));
    const { tokenize } = native();
    let out = new Int32Array(bytes.length + 8);
    let count = tokenize(this.model.vocab, bytes, bytes.length, out, out.length, marks, false);
    if (count < 0) {
      out = new Int32Array(-count);
      count = tokenize(this.model.vocab, bytes, bytes.length, out, out.length, marks, false);
    }
    return out.subarray(0, Math.max(0, count));
  }

  /** @throws DISPOSED */
  check(): void {
    if (this.#disposed) throw new BlockAttentionError('DISPOSED', 'the embedding model was disposed');
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#disposed) return;
    this.#disposed = true;
    await this.#tail;
    this.#calls.free(this.#context);
    this.model.free();
    this.#tokens.free();
    this.#flags.free();
  }
}

async function openContext(
  model: LlamaModel,
  threads: number,
  tokens: number,
  pooling: number = poolings.unsaid,
): Promise<bigint> {
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
