/**
 * llama.cpp's own forward pass, from the same binaries: the yardstick of tests and benchmarks. The engine never uses it.
 *
 * Positions 0, 1, 2 …; each decode() continues the first sequence where it ended. Others can share what it has read, and
 * be continued beside it, a token each. Calls queue up behind each other.
 */
import koffi, { type KoffiFunc } from 'koffi';
import { BlockAttentionError } from '../../errors.ts';
import { call } from '../ffi/call.ts';
import { library } from '../ffi/library.ts';
import { allocateMemory, type NativeMemory } from '../ffi/memory.ts';
import { type ContextCalls, contextCalls } from './llama-context.ts';
import { type LlamaModel, loadLlamaModel } from './llama-model.ts';

export interface ReferenceOptions {
  /** Tokens the context holds. */
  readonly contextTokens: number;
  readonly threads: number;
  /** Defaults to false: the plain attention path, whose sums are those of an f32 softmax. */
  readonly flashAttention?: boolean | undefined;
  /** Type of cached keys and values. Defaults to `f16`. `q8_0` needs flashAttention. */
  readonly kvType?: 'f32' | 'f16' | 'q8_0' | undefined;
  /** Tokens computed at once. Defaults to 512. */
  readonly batch?: number | undefined;
  /** Sequences that may be continued side by side. Defaults to 1. */
  readonly sequences?: number | undefined;
  /** A LoRA adapter's GGUF to add to the weights. Defaults to none. */
  readonly adapter?: string | undefined;
  /** Defaults to 1. */
  readonly adapterScale?: number | undefined;
  /** Let llama.cpp repack quantised weights for this CPU, as it does by default. Defaults to true. */
  readonly repack?: boolean | undefined;
}

export interface Reference extends AsyncDisposable {
  /** Width of a row of logits. */
  readonly vocabulary: number;
  /**
   * Appends tokens and returns logits `[vocabulary]`: of the last token, or of every token.
   * @throws CONTEXT_OVERFLOW, INVALID_ARGUMENT (no token, or not one of the vocabulary), COMPUTE_FAILED.
   */
  decode(tokens: Int32Array, options: { readonly logits: 'last' | 'all' }): Promise<Float32Array[]>;
  /** Appends tokens, then the likeliest token `count` times; returns those. The last one is not appended. */
  greedy(tokens: Int32Array, count: number): Promise<Int32Array>;
  /**
   * Keeps the first `tokens` that the first sequence has read, and lets every other sequence begin with them; what they
   * had is forgotten. Nothing is copied. @throws COMPUTE_FAILED for models that cannot forget a part
   */
  share(tokens: number): Promise<void>;
  /**
   * Appends one token to each sequence, the first one's first, in one batch.
   * @returns logits `[vocabulary]` of each. @throws CONTEXT_OVERFLOW, INVALID_ARGUMENT, COMPUTE_FAILED
   */
  decodeEach(tokens: Int32Array): Promise<Float32Array[]>;
  /** Forgets all tokens. */
  clear(): Promise<void>;
  /** Keys and values of all tokens so far, for restoreState() in a context of the same model and options. */
  saveState(): Promise<Uint8Array>;
  restoreState(state: Uint8Array): Promise<void>;
  /** llama.cpp's own account since the last call: batches of many tokens and of one. */
  perf(): Promise<{ promptMs: number; promptTokens: number; decodeMs: number; decodeTokens: number }>;
}

const kvTypes = { f32: 0, f16: 1, q8_0: 8 } as const;
const sequence = 0;

/** @throws MODEL_NOT_FOUND, MODEL_INVALID; INVALID_ARGUMENT for numbers out of range; COMPUTE_FAILED. */
export async function openReference(path: string, options: ReferenceOptions): Promise<Reference> {
  const batch = options.batch ?? 512;
  const sequences = options.sequences ?? 1;
  for (const [name, value] of Object.entries({
    contextTokens: options.contextTokens,
    threads: options.threads,
    batch,
    sequences,
  })) {
    if (!Number.isInteger(value) || value < 1) {
      throw new BlockAttentionError('INVALID_ARGUMENT', `${name} is ${value}: give a whole number of at least 1`);
    }
  }
  const model = await loadLlamaModel(path, { vocabOnly: false, repack: options.repack });
  const calls = contextCalls();
  const type = kvTypes[options.kvType ?? 'f16'];
  const context = await call(calls.init, model.handle, {
    ...calls.defaults,
    n_ctx: options.contextTokens,
    n_batch: batch,
    n_ubatch: batch,
    n_outputs_max_per_seq: 0,
    n_seq_max: sequences,
    // One cache for all, so that sequences can share what they begin with.
    kv_unified: sequences > 1,
    n_threads: options.threads,
    n_threads_batch: options.threads,
    flash_attn_type: options.flashAttention === true ? 1 : 0,
    type_k: type,
    type_v: type,
    no_perf: false,
  });
  if (context === null) {
    model.free();
    throw new BlockAttentionError(
      'COMPUTE_FAILED',
      `llama.cpp makes no context of ${options.contextTokens} tokens with these options`,
    );
  }
  try {
    if (options.adapter !== undefined) await attachAdapter(model, context, options.adapter, options.adapterScale);
  } catch (error) {
    calls.free(context);
    model.free();
    throw error;
  }
  return new LlamaReference(model, context, { room: options.contextTokens, batch, sequences });
}

/** The model owns the adapter from then on. @throws MODEL_INVALID when llama.cpp does not take it */
async function attachAdapter(model: LlamaModel, context: bigint, path: string, scale = 1): Promise<void> {
  const { llama } = library();
  const init = llama.func('void *llama_adapter_lora_init(void *model, const char *path)') as KoffiFunc<
    (model: bigint, path: string) => bigint | null
  >;
  const attach = llama.func(
    'int32_t llama_set_adapters_lora(void *ctx, void **adapters, size_t count, float *scales)',
  ) as (ctx: bigint, adapters: bigint[], count: number, scales: Float32Array) => number;
  const adapter = await call(init, model.handle, path);
  if (adapter === null || attach(context, [adapter], 1, Float32Array.of(scale)) !== 0) {
    throw new BlockAttentionError('MODEL_INVALID', `${path}: llama.cpp does not take this adapter for the model`);
  }
}

class LlamaReference implements Reference {
  readonly vocabulary: number;
  readonly #calls: ContextCalls = contextCalls();
  readonly #rowType;
  readonly #tokens: NativeMemory;
  readonly #flags: NativeMemory;
  #tail: Promise<unknown> = Promise.resolve();
  #disposed = false;

  readonly #model: LlamaModel;
  readonly #context: bigint;
  readonly #room: number;
  readonly #batch: number;
  readonly #sequences: number;
  /** For a token of each sequence: that it belongs to one, which, and where that stands. */
  readonly #counts: NativeMemory;
  readonly #numbers: NativeMemory;
  readonly #places: NativeMemory;

  constructor(
    model: LlamaModel,
    context: bigint,
    limits: { readonly room: number; readonly batch: number; readonly sequences: number },
  ) {
    const { room, batch, sequences } = limits;
    this.#model = model;
    this.#context = context;
    this.#room = room;
    this.#batch = batch;
    this.#sequences = sequences;
    this.#counts = allocateMemory(sequences * 4);
    this.#numbers = allocateMemory(sequences * 4);
    this.#places = allocateMemory(sequences * 8);
    for (let i = 0; i < sequences; i++) {
      new Int32Array(this.#counts.bytes.buffer)[i] = 1;
      new Int32Array(this.#numbers.bytes.buffer)[i] = i;
      new BigUint64Array(this.#places.bytes.buffer)[i] = this.#numbers.address + BigInt(4 * i);
    }
    this.vocabulary = library().llama.func('int32_t llama_vocab_n_tokens(void *vocab)')(model.vocab) as number;
    this.#rowType = koffi.array('float', this.vocabulary, 'Typed');
    this.#tokens = allocateMemory(batch * 4);
    this.#flags = allocateMemory(batch);
  }

  decode(tokens: Int32Array, options: { readonly logits: 'last' | 'all' }): Promise<Float32Array[]> {
    return this.#queue(() => this.#decode(tokens, options.logits));
  }

  greedy(tokens: Int32Array, count: number): Promise<Int32Array> {
    return this.#queue(async () => {
      const out = new Int32Array(count);
      let next = tokens;
      for (let i = 0; i < count; i++) {
        const [row] = await this.#decode(next, 'last');
        out[i] = row === undefined ? -1 : argmax(row);
        next = out.subarray(i, i + 1);
      }
      return out;
    });
  }

  share(tokens: number): Promise<void> {
    return this.#queue(() => {
      const memory = this.#calls.memory(this.#context);
      if (!this.#calls.removeSequence(memory, sequence, tokens, -1)) {
        throw new BlockAttentionError('COMPUTE_FAILED', `the model cannot forget what it read after ${tokens} tokens`);
      }
      for (let other = 1; other < this.#sequences; other++) {
        this.#calls.removeSequence(memory, other, -1, -1);
        this.#calls.copySequence(memory, sequence, other, -1, -1);
      }
    });
  }

  decodeEach(tokens: Int32Array): Promise<Float32Array[]> {
    return this.#queue(async () => {
      if (tokens.length !== this.#sequences || tokens.length > this.#batch) {
        throw new BlockAttentionError(
          'INVALID_ARGUMENT',
          `${tokens.length} tokens for ${this.#sequences} sequences in batches of ${this.#batch}: give one to each`,
        );
      }
      this.#check(tokens);
      await this.#compute(tokens, { logits: 'all', ofEach: true });
      return Array.from(tokens, (_, i) => this.#row(i));
    });
  }

  clear(): Promise<void> {
    return this.#queue(() => this.#calls.clear(this.#calls.memory(this.#context), true));
  }

  saveState(): Promise<Uint8Array> {
    return this.#queue(() => {
      const state = new Uint8Array(Number(this.#calls.stateSize(this.#context, sequence)));
      const written = Number(this.#calls.getState(this.#context, state, state.length, sequence));
      if (written !== state.length)
        throw new BlockAttentionError('COMPUTE_FAILED', `saved ${written} of ${state.length} bytes of state`);
      return state;
    });
  }

  restoreState(state: Uint8Array): Promise<void> {
    return this.#queue(() => {
      if (Number(this.#calls.setState(this.#context, state, state.length, sequence)) === 0) {
        throw new BlockAttentionError('COMPUTE_FAILED', 'the state is of another model or context');
      }
    });
  }

  perf(): Promise<{ promptMs: number; promptTokens: number; decodeMs: number; decodeTokens: number }> {
    return this.#queue(() => {
      const data = this.#calls.perf(this.#context);
      this.#calls.resetPerf(this.#context);
      return {
        promptMs: data.t_p_eval_ms,
        promptTokens: data.n_p_eval,
        decodeMs: data.t_eval_ms,
        decodeTokens: data.n_eval,
      };
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#disposed) return;
    this.#disposed = true;
    await this.#tail;
    this.#calls.free(this.#context);
    this.#model.free();
    this.#tokens.free();
    for (const memory of [this.#flags, this.#counts, this.#numbers, this.#places]) memory.free();
  }

  /** A context computes one thing at a time. */
  #queue<T>(work: () => T | Promise<T>): Promise<T> {
    if (this.#disposed) throw new BlockAttentionError('DISPOSED', 'the reference was disposed');
    const result = this.#tail.then(work);
    this.#tail = result.catch(() => undefined);
    return result;
  }

  async #decode(tokens: Int32Array, logits: 'last' | 'all'): Promise<Float32Array[]> {
    this.#check(tokens);
    const rows: Float32Array[] = [];
    for (let start = 0; start < tokens.length; start += this.#batch) {
      const part = tokens.subarray(start, start + this.#batch);
      await this.#compute(part, { logits });
      if (logits === 'all') for (let i = 0; i < part.length; i++) rows.push(this.#row(i));
    }
    return logits === 'all' ? rows : [this.#row(-1)];
  }

  /** @param ofEach token i goes to sequence i; else all of them to the first */
  async #compute(tokens: Int32Array, { logits, ofEach = false }: { logits: 'last' | 'all'; ofEach?: boolean }) {
    new Int32Array(this.#tokens.bytes.buffer).set(tokens);
    this.#flags.bytes.fill(1);
    const code = await call(this.#calls.decode, this.#context, {
      n_tokens: tokens.length,
      token: this.#tokens.address,
      embd: null,
      pos: null,
      n_seq_id: ofEach ? this.#counts.address : null,
      seq_id: ofEach ? this.#places.address : null,
      logits: logits === 'all' ? this.#flags.address : null,
    });
    if (code !== 0) throw new BlockAttentionError('COMPUTE_FAILED', `llama_decode answers ${code}`);
  }

  #row(index: number): Float32Array {
    const address = this.#calls.logits(this.#context, index);
    if (address === null) throw new BlockAttentionError('COMPUTE_FAILED', `no logits of token ${index}`);
    return koffi.decode(address, this.#rowType) as Float32Array;
  }

  #check(tokens: Int32Array): void {
    if (tokens.length === 0) throw new BlockAttentionError('INVALID_ARGUMENT', 'no tokens to decode');
    const bad = tokens.find((token) => token < 0 || token >= this.vocabulary);
    if (bad !== undefined) {
      throw new BlockAttentionError('INVALID_ARGUMENT', `token ${bad} is not in the vocabulary of ${this.vocabulary}`);
    }
    const used = this.#calls.lastPosition(this.#calls.memory(this.#context), sequence) + 1;
    if (used + tokens.length > this.#room) {
      const over = used + tokens.length - this.#room;
      throw new BlockAttentionError(
        'CONTEXT_OVERFLOW',
        `${used} + ${tokens.length} tokens are ${over} more than the context holds`,
      );
    }
  }
}

/** Index of the greatest value, the first one of equals. */
function argmax(row: Float32Array): number {
  let best = 0;
  for (let i = 1; i < row.length; i++) if ((row[i] ?? 0) > (row[best] ?? 0)) best = i;
  return best;
}
