/**
 * A libllama context: its parameters, its calls. Knows the layout of `llama_context_params` of the pinned release and
 * proves it against the library's defaults before the first use. Policy is reference.ts's.
 */
import koffi, { type KoffiFunc } from 'koffi';
import { library } from '../ffi/library.ts';
import { checkDefaults } from './llama-model.ts';

const contextParams = {
  n_ctx: 'uint32_t',
  n_batch: 'uint32_t',
  n_ubatch: 'uint32_t',
  n_seq_max: 'uint32_t',
  n_rs_seq: 'uint32_t',
  n_outputs_max: 'uint32_t',
  n_outputs_max_per_seq: 'uint32_t',
  n_threads: 'int32_t',
  n_threads_batch: 'int32_t',
  ctx_type: 'int',
  rope_scaling_type: 'int',
  pooling_type: 'int',
  attention_type: 'int',
  flash_attn_type: 'int',
  rope_freq_base: 'float',
  rope_freq_scale: 'float',
  yarn_ext_factor: 'float',
  yarn_attn_factor: 'float',
  yarn_beta_fast: 'float',
  yarn_beta_slow: 'float',
  yarn_orig_ctx: 'uint32_t',
  defrag_thold: 'float',
  cb_eval: 'void *',
  cb_eval_user_data: 'void *',
  type_k: 'int',
  type_v: 'int',
  abort_callback: 'void *',
  abort_callback_data: 'void *',
  embeddings: 'bool',
  offload_kqv: 'bool',
  no_perf: 'bool',
  op_offload: 'bool',
  swa_full: 'bool',
  kv_unified: 'bool',
  samplers: 'void *',
  n_samplers: 'size_t',
  ctx_other: 'void *',
} as const;

const contextDefaults = {
  n_ctx: 512,
  n_batch: 2048,
  n_ubatch: 512,
  n_seq_max: 1,
  n_rs_seq: 0,
  n_outputs_max: 0,
  n_outputs_max_per_seq: 1,
  n_threads: 4,
  n_threads_batch: 4,
  ctx_type: 0,
  rope_scaling_type: -1,
  pooling_type: -1,
  attention_type: -1,
  flash_attn_type: -1,
  rope_freq_base: 0,
  rope_freq_scale: 0,
  yarn_ext_factor: -1,
  yarn_attn_factor: -1,
  yarn_beta_fast: -1,
  yarn_beta_slow: -1,
  yarn_orig_ctx: 0,
  defrag_thold: -1,
  cb_eval: null,
  cb_eval_user_data: null,
  type_k: 1,
  type_v: 1,
  abort_callback: null,
  abort_callback_data: null,
  embeddings: false,
  offload_kqv: true,
  no_perf: true,
  op_offload: true,
  swa_full: true,
  kv_unified: false,
  samplers: null,
  n_samplers: 0,
  ctx_other: null,
};

export type ContextParams = { [K in keyof typeof contextDefaults]: (typeof contextDefaults)[K] };

/** `llama_batch`; addresses are null for what the library fills in: positions follow on, the sequence is 0. */
export interface Batch {
  readonly n_tokens: number;
  readonly token: bigint;
  readonly embd: null;
  readonly pos: null;
  /** How many sequences each token belongs to, i32, and for each token the address of their numbers, i32. */
  readonly n_seq_id: bigint | null;
  readonly seq_id: bigint | null;
  /** One byte per token: logits wanted or not. Null: of the last token. */
  readonly logits: bigint | null;
}

export interface PerfData {
  readonly t_p_eval_ms: number;
  readonly t_eval_ms: number;
  readonly n_p_eval: number;
  readonly n_eval: number;
}

export interface ContextCalls {
  readonly defaults: ContextParams;
  readonly init: KoffiFunc<(model: bigint, params: ContextParams) => bigint | null>;
  readonly free: (ctx: bigint) => void;
  readonly decode: KoffiFunc<(ctx: bigint, batch: Batch) => number>;
  /** Address of a row of logits, or null. */
  readonly logits: (ctx: bigint, index: number) => bigint | null;
  readonly memory: (ctx: bigint) => bigint;
  readonly clear: (memory: bigint, data: boolean) => void;
  /** Gives positions `[from, to)` of one sequence to another, without copying them where the cache is one for all. */
  readonly copySequence: (memory: bigint, source: number, target: number, from: number, to: number) => void;
  /** Forgets them; -1 stands for the first and the last. False where a part of a sequence cannot be forgotten. */
  readonly removeSequence: (memory: bigint, sequence: number, from: number, to: number) => boolean;
  readonly lastPosition: (memory: bigint, sequence: number) => number;
  readonly stateSize: (ctx: bigint, sequence: number) => number | bigint;
  readonly getState: (ctx: bigint, out: Uint8Array, size: number, sequence: number) => number | bigint;
  readonly setState: (ctx: bigint, from: Uint8Array, size: number, sequence: number) => number | bigint;
  readonly perf: (ctx: bigint) => PerfData;
  readonly resetPerf: (ctx: bigint) => void;
}
let calls: ContextCalls | undefined;

/** @throws BACKEND_UNAVAILABLE before loadLibrary(), or when the library's structs are of another release. */
export function contextCalls(): ContextCalls {
  if (calls !== undefined) return calls;
  const { llama } = library();
  const params = koffi.struct(contextParams);
  const batch = koffi.struct({
    n_tokens: 'int32_t',
    token: 'void *',
    embd: 'void *',
    pos: 'void *',
    n_seq_id: 'void *',
    seq_id: 'void *',
    logits: 'void *',
  });
  const perf = koffi.struct({
    t_start_ms: 'double',
    t_load_ms: 'double',
    t_p_eval_ms: 'double',
    t_eval_ms: 'double',
    n_p_eval: 'int32_t',
    n_eval: 'int32_t',
    n_reused: 'int32_t',
  });
  const defaults = llama.func('llama_context_default_params', params, [])() as ContextParams;
  checkDefaults('llama_context_params', defaults, contextDefaults);
  const bind = (signature: string) => llama.func(signature) as never;
  calls = {
    defaults,
    init: llama.func('llama_init_from_model', 'void *', ['void *', params]) as ContextCalls['init'],
    free: bind('void llama_free(void *ctx)'),
    decode: llama.func('llama_decode', 'int32_t', ['void *', batch]) as ContextCalls['decode'],
    logits: bind('void *llama_get_logits_ith(void *ctx, int32_t i)'),
    memory: bind('void *llama_get_memory(void *ctx)'),
    clear: bind('void llama_memory_clear(void *memory, bool data)'),
    copySequence: bind('void llama_memory_seq_cp(void *memory, int32_t src, int32_t dst, int32_t p0, int32_t p1)'),
    removeSequence: bind('bool llama_memory_seq_rm(void *memory, int32_t seq, int32_t p0, int32_t p1)'),
    lastPosition: bind('int32_t llama_memory_seq_pos_max(void *memory, int32_t seq)'),
    stateSize: bind('size_t llama_state_seq_get_size(void *ctx, int32_t seq)'),
    getState: bind('size_t llama_state_seq_get_data(void *ctx, _Out_ uint8_t *dst, size_t size, int32_t seq)'),
    setState: bind('size_t llama_state_seq_set_data(void *ctx, const uint8_t *src, size_t size, int32_t seq)'),
    perf: llama.func('llama_perf_context', perf, ['void *']) as ContextCalls['perf'],
    resetPerf: bind('void llama_perf_context_reset(void *ctx)'),
  };
  return calls;
}
