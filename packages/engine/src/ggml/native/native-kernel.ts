/**
 * The fused attention kernel (native/): the functions of its library, where there is one (kernel-library.ts).
 *
 * Knows the kernel's functions, not its structs (attention-arguments.ts) and no model. The kernel is optional: where it
 * is absent the portable path computes the same.
 */
import type { KoffiFunc } from 'koffi';
import { BlockAttentionError } from '../../errors.ts';
import { call } from '../ffi/call.ts';
import { isLibraryLoaded } from '../ffi/library.ts';
import { addressOf, type Bytes, sizeOf } from '../ffi/memory.ts';
import { absent, type KernelLibrary, type KernelRefusal, kernelLibrary } from './kernel-library.ts';
import { layoutMismatch } from './tensor-layout.ts';

/** BA_SUM_LANES of native/src/block_checksum.h. */
export const sumLanes = 32;

export interface NativeKernel {
  /** Instruction set the running CPU was given: `avx512`, `avx512_256`, `avx2`, `neon` or `baseline`. */
  readonly isa: string;
  /** That of the linear layers: where the CPU has them `avx512_bf16`, `avx512_vnni` or `avx_vnni` (beside AVX2), else `isa`. */
  readonly linearIsa: string;
  /** The library's file. */
  readonly path: string;
  /** Addresses of the two graph nodes' functions, of type ggml_custom_op_t. Their userdata is a ba_op. */
  readonly attend: bigint;
  readonly merge: bigint;
  readonly linear: NativeLinearCalls;
  /** What it reads of a ggml tensor at an address: see tensor-layout.ts. */
  probeTensor(tensor: bigint, fields: BigInt64Array): void;
  /** The sums of payloads, sumLanes words each, by one call on a thread of the pool. Nothing may change or free them meanwhile. */
  checksum(payloads: readonly Bytes[]): Promise<Uint32Array>;
  /**
   * Bytes of scratch that ba_params at this address need with up to `threads` threads. Depends on the heads and on each
   * sequence's numbers of blocks and queries, not on lengths, positions or addresses.
   * @throws INVALID_ARGUMENT when the parameters contradict themselves.
   */
  scratchBytes(params: bigint, threads: number): number;
  /**
   * Computes without a graph. `q` and `out` are [rows, heads, headDim].
   * @throws INVALID_ARGUMENT when the parameters contradict themselves; MODEL_TOO_LARGE without memory for scratch.
   */
  run(params: bigint, q: Float32Array, out: Float32Array, threads: number): void;
}

/** Linear layers of many rows: native/src/block_linear.h. */
export interface NativeLinearCalls {
  /** Addresses of the two graph nodes' functions. The userdata of `pack` is the weight's type, of `multiply` nothing. */
  readonly pack: bigint;
  readonly multiply: bigint;
  /** Bytes of packed rows, a multiple of 4; -1 where weights of this type and shape [inputs, outputs] are not taken. */
  packedBytes(type: number, inputs: number, outputs: number, rows: number): number;
  readonly oneRow: OneRowCalls;
  readonly lowRank: LowRankCalls;
  readonly experts: NativeExpertCalls;
}

/** The two products of a low-rank adapter, of f32 tensors: addresses of the graph nodes' functions. */
export interface LowRankCalls {
  /** Several matrices A [inputs, rank] at once; it has no userdata. */
  readonly multiply: bigint;
  /** y [outputs, rows] + B [rank, outputs] low [rank, rows]. Its userdata is 1 where one row is decoded, else 0. */
  readonly add: bigint;
}

/** One row that meets several matrices in one graph node, where the CPU has instructions for it. */
export interface OneRowCalls {
  /** Address of the node's function; it has no userdata. */
  readonly multiply: bigint;
  /** Whether matrices of this type and shape [inputs, outputs] are taken. */
  takes(type: number, inputs: number, outputs: number): boolean;
}

/** The same where each row meets the matrices that a router chose for it. */
export interface NativeExpertCalls {
  /** Addresses of the two graph nodes' functions; they have no userdata. */
  readonly pack: bigint;
  readonly multiply: bigint;
  /** Bytes of packed rows and of who meets whom, a multiple of 4; -1 where such weights are not taken. */
  packedBytes(shape: ExpertShape): number;
}

export interface ExpertShape {
  readonly type: number;
  readonly inputs: number;
  readonly outputs: number;
  readonly experts: number;
  /** Experts that a token meets. */
  readonly used: number;
  readonly tokens: number;
  /** Rows of a token: one that all of its experts read, or one for each. */
  readonly rows: number;
}

/** A kernel, or why there is none. */
export type NativeKernelState =
  | { readonly kernel: NativeKernel; readonly code: undefined; readonly reason: undefined }
  | { readonly kernel: undefined; readonly code: KernelRefusal; readonly reason: string };

let state: NativeKernelState | undefined;
/** Whether the kernel was seen to read ggml's tensors rightly, which takes ggml. */
let probed = false;

/** The kernel, or undefined where it is absent or switched off: nativeKernelState() says why. Loads once per process. */
export function loadNativeKernel(): NativeKernel | undefined {
  return nativeKernelState().kernel;
}

/** The kernel, or the reason for its absence. BLOCK_ATTENTION_NATIVE=0 switches it off. Loads once per process. */
export function nativeKernelState(): NativeKernelState {
  const found = kernelLibrary();
  if (found.library === undefined) return without(found);
  state ??= bind(found);
  if (!probed && state.kernel !== undefined && isLibraryLoaded()) {
    probed = true;
    const wrong = layoutMismatch(state.kernel);
    if (wrong !== undefined) {
      const reason = `${found.path} is of another release of ggml, ${wrong}: reinstall this package`;
      state = without(absent('layout', reason));
    }
  }
  return state;
}

function without({ code, reason }: { readonly code: KernelRefusal; readonly reason: string }): NativeKernelState {
  return { kernel: undefined, code, reason };
}

function bind({ library, path }: KernelLibrary): NativeKernelState {
  const isa = library.func('const char *ba_isa(void)') as () => string;
  const linearIsa = library.func('const char *ba_linear_isa(void)') as () => string;
  const scratchBytes = library.func('int64_t ba_scratch_bytes(void *params, int32_t nth)') as (
    params: bigint,
    threads: number,
  ) => number | bigint;
  const run = library.func('int32_t ba_run(void *params, const float *q, _Out_ float *out, int32_t nth)') as (
    params: bigint,
    q: Float32Array,
    out: Float32Array,
    threads: number,
  ) => number;
  const checksum: KoffiFunc<(payloads: BigUint64Array, bytes: BigInt64Array, n: number, sums: Uint32Array) => void> =
    library.func('void ba_checksum(const uint64_t *payloads, const int64_t *bytes, int32_t n, _Out_ uint32_t *sums)');
  const probeTensor = library.func('void ba_probe_tensor(void *tensor, _Out_ int64_t *fields)') as (
    tensor: bigint,
    fields: BigInt64Array,
  ) => void;
  const packedBytes = library.func(
    'int64_t ba_linear_packed_bytes(int32_t type, int64_t k, int64_t n, int64_t rows)',
  ) as (type: number, inputs: number, outputs: number, rows: number) => number | bigint;
  const takesRow = library.func('int32_t ba_linear_takes_row(int32_t type, int64_t k, int64_t n)') as (
    type: number,
    inputs: number,
    outputs: number,
  ) => number;
  const expertBytes = library.func(
    'int64_t ba_experts_packed_bytes(int32_t type, int64_t k, int64_t n, int64_t experts, int64_t used, int64_t tokens, int64_t x_rows)',
  ) as (...numbers: number[]) => number | bigint;
  return {
    code: undefined,
    reason: undefined,
    kernel: {
      isa: isa(),
      linearIsa: linearIsa(),
      path,
      attend: library.symbol('ba_attend') as bigint,
      merge: library.symbol('ba_merge') as bigint,
      linear: {
        pack: library.symbol('ba_linear_pack') as bigint,
        multiply: library.symbol('ba_linear_multiply') as bigint,
        packedBytes: (type, inputs, outputs, rows) => Number(packedBytes(type, inputs, outputs, rows)),
        oneRow: {
          multiply: library.symbol('ba_linear_multiply_row') as bigint,
          takes: (type, inputs, outputs) => takesRow(type, inputs, outputs) !== 0,
        },
        lowRank: {
          multiply: library.symbol('ba_linear_multiply_low') as bigint,
          add: library.symbol('ba_linear_add_low_rank') as bigint,
        },
        experts: {
          pack: library.symbol('ba_experts_pack') as bigint,
          multiply: library.symbol('ba_experts_multiply') as bigint,
          packedBytes: ({ type, inputs, outputs, experts, used, tokens, rows }) =>
            Number(expertBytes(type, inputs, outputs, experts, used, tokens, rows)),
        },
      },
      probeTensor,
      async checksum(payloads) {
        const sums = new Uint32Array(payloads.length * sumLanes);
        const addresses = BigUint64Array.from(payloads, addressOf);
        const bytes = BigInt64Array.from(payloads, (payload) => BigInt(sizeOf(payload)));
        await call(checksum, addresses, bytes, payloads.length, sums);
        return sums;
      },
      scratchBytes(params, threads) {
        const bytes = Number(scratchBytes(params, threads));
        if (bytes < 0) throw contradiction(threads);
        return bytes;
      },
      run(params, q, out, threads) {
        const status = run(params, q, out, threads);
        if (status === 1) throw contradiction(threads);
        if (status !== 0) {
          throw new BlockAttentionError(
            'MODEL_TOO_LARGE',
            'no memory for attention scratch: use fewer rows or threads',
          );
        }
      },
    },
  };
}

function contradiction(threads: number): BlockAttentionError {
  return new BlockAttentionError(
    'INVALID_ARGUMENT',
    `the attention kernel refuses its parameters with ${threads} threads: see native/src/block_attention.h for what it takes`,
  );
}
