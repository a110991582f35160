/**
 * Every ggml function this package calls, bound once and typed. Signatures belong to the pinned release
 * (library.ts). Pointers are bigints; a null pointer is `null`.
 */
import koffi, { type KoffiFunc } from 'koffi';
import { library } from './library.ts';

type Ptr = bigint;
type Null = null;

/** Calls on libggml-base by their C names, less the `ggml_` prefix. */
export interface Bindings {
  init(params: { mem_size: number; mem_buffer: Null; no_alloc: boolean }): Ptr | Null;
  free(ctx: Ptr): void;
  tensor_overhead(): number;
  graph_overhead_custom(size: number, grads: boolean): number;
  new_tensor_4d(ctx: Ptr, type: number, ne0: number, ne1: number, ne2: number, ne3: number): Ptr;
  view_4d(
    ctx: Ptr,
    a: Ptr,
    ne0: number,
    ne1: number,
    ne2: number,
    ne3: number,
    nb1: number,
    nb2: number,
    nb3: number,
    offset: number,
  ): Ptr;
  reshape_4d(ctx: Ptr, a: Ptr, ne0: number, ne1: number, ne2: number, ne3: number): Ptr;
  permute(ctx: Ptr, a: Ptr, axis0: number, axis1: number, axis2: number, axis3: number): Ptr;
  repeat_4d(ctx: Ptr, a: Ptr, ne0: number, ne1: number, ne2: number, ne3: number): Ptr;
  cont(ctx: Ptr, a: Ptr): Ptr;
  cpy(ctx: Ptr, a: Ptr, b: Ptr): Ptr;
  pad(ctx: Ptr, a: Ptr, p0: number, p1: number, p2: number, p3: number): Ptr;
  concat(ctx: Ptr, a: Ptr, b: Ptr, dim: number): Ptr;
  add(ctx: Ptr, a: Ptr, b: Ptr): Ptr;
  mul(ctx: Ptr, a: Ptr, b: Ptr): Ptr;
  mul_mat(ctx: Ptr, a: Ptr, b: Ptr): Ptr;
  mul_mat_id(ctx: Ptr, a: Ptr, b: Ptr, ids: Ptr): Ptr;
  add_id(ctx: Ptr, a: Ptr, b: Ptr, ids: Ptr): Ptr;
  argsort_top_k(ctx: Ptr, a: Ptr, k: number): Ptr;
  top_k(ctx: Ptr, a: Ptr, k: number): Ptr;
  div(ctx: Ptr, a: Ptr, b: Ptr): Ptr;
  clamp(ctx: Ptr, a: Ptr, low: number, high: number): Ptr;
  fill(ctx: Ptr, a: Ptr, value: number): Ptr;
  sigmoid(ctx: Ptr, a: Ptr): Ptr;
  swiglu_oai(ctx: Ptr, gate: Ptr, up: Ptr, alpha: number, limit: number): Ptr;
  flash_attn_ext(
    ctx: Ptr,
    q: Ptr,
    k: Ptr,
    v: Ptr,
    mask: Ptr | Null,
    scale: number,
    maxBias: number,
    softcap: number,
  ): Ptr;
  flash_attn_ext_add_sinks(a: Ptr, sinks: Ptr): void;
  flash_attn_ext_set_prec(a: Ptr, precision: number): void;
  scale(ctx: Ptr, a: Ptr, s: number): Ptr;
  tanh(ctx: Ptr, a: Ptr): Ptr;
  rms_norm(ctx: Ptr, a: Ptr, eps: number): Ptr;
  norm(ctx: Ptr, a: Ptr, eps: number): Ptr;
  gelu(ctx: Ptr, a: Ptr): Ptr;
  relu(ctx: Ptr, a: Ptr): Ptr;
  get_rows(ctx: Ptr, a: Ptr, b: Ptr): Ptr;
  set_rows(ctx: Ptr, a: Ptr, b: Ptr, c: Ptr): Ptr;
  swiglu_split(ctx: Ptr, a: Ptr, b: Ptr): Ptr;
  geglu_split(ctx: Ptr, a: Ptr, b: Ptr): Ptr;
  reglu_split(ctx: Ptr, a: Ptr, b: Ptr): Ptr;
  soft_max_ext(ctx: Ptr, a: Ptr, mask: Ptr | Null, scale: number, maxBias: number): Ptr;
  soft_max_ext_inplace(ctx: Ptr, a: Ptr, mask: Ptr | Null, scale: number, maxBias: number): Ptr;
  soft_max_add_sinks(a: Ptr, sinks: Ptr): void;
  rope_ext(
    ctx: Ptr,
    a: Ptr,
    positions: Ptr,
    factors: Ptr | Null,
    dims: number,
    mode: number,
    originalContext: number,
    base: number,
    scale: number,
    extFactor: number,
    attnFactor: number,
    betaFast: number,
    betaSlow: number,
  ): Ptr;
  rope_ext_inplace: Bindings['rope_ext'];
  rope_ext_back: Bindings['rope_ext'];
  add_inplace(ctx: Ptr, a: Ptr, b: Ptr): Ptr;
  sub(ctx: Ptr, a: Ptr, b: Ptr): Ptr;
  sqr(ctx: Ptr, a: Ptr): Ptr;
  log(ctx: Ptr, a: Ptr): Ptr;
  sum_rows(ctx: Ptr, a: Ptr): Ptr;
  silu(ctx: Ptr, a: Ptr): Ptr;
  scale_bias(ctx: Ptr, a: Ptr, s: number, b: number): Ptr;
  silu_back(ctx: Ptr, gradient: Ptr, x: Ptr): Ptr;
  rms_norm_back(ctx: Ptr, gradient: Ptr, x: Ptr, eps: number): Ptr;
  soft_max_ext_back(ctx: Ptr, gradient: Ptr, softmax: Ptr, scale: number, maxBias: number): Ptr;
  get_rows_back(ctx: Ptr, gradient: Ptr, rows: Ptr, shapeOf: Ptr): Ptr;
  repeat_back(ctx: Ptr, gradient: Ptr, shapeOf: Ptr): Ptr;
  out_prod(ctx: Ptr, a: Ptr, b: Ptr): Ptr;
  acc(ctx: Ptr, a: Ptr, b: Ptr, nb1: number, nb2: number, nb3: number, offset: number): Ptr;
  argmax(ctx: Ptr, a: Ptr): Ptr;
  opt_step_adamw(ctx: Ptr, a: Ptr, gradient: Ptr, m: Ptr, v: Ptr, params: Ptr): Ptr;
  custom_4d(
    ctx: Ptr,
    type: number,
    ne0: number,
    ne1: number,
    ne2: number,
    ne3: number,
    args: BigUint64Array,
    nArgs: number,
    fun: Ptr,
    nTasks: number,
    userdata: Ptr,
  ): Ptr;
  set_input(t: Ptr): void;
  set_output(t: Ptr): void;
  set_param(t: Ptr): void;
  new_graph_custom(ctx: Ptr, size: number, grads: boolean): Ptr;
  build_forward_expand(graph: Ptr, t: Ptr): void;
  graph_n_nodes(graph: Ptr): number;
  graph_node(graph: Ptr, i: number): Ptr;
  graph_add_node(graph: Ptr, t: Ptr): void;
  op_desc(t: Ptr): string;
  gallocr_new(bufferType: Ptr): Ptr;
  gallocr_free(allocator: Ptr): void;
  gallocr_alloc_graph(allocator: Ptr, graph: Ptr): boolean;
  gallocr_get_buffer_size(allocator: Ptr, index: number): number;
  gallocr_reserve_n_size(allocator: Ptr, graph: Ptr, nodeBuffers: Null, leafBuffers: Null, sizes: BigUint64Array): void;
  backend_tensor_set: KoffiFunc<(t: Ptr, data: ArrayBufferView | Ptr, offset: number, size: number) => void>;
  backend_tensor_set_async(stream: Ptr, t: Ptr, data: Ptr, offset: number, size: number): void;
  backend_tensor_get(t: Ptr, data: ArrayBufferView, offset: number, size: number): void;
  backend_tensor_memset(t: Ptr, value: number, offset: number, size: number): void;
  backend_tensor_alloc(buffer: Ptr, t: Ptr, address: Ptr): number;
  backend_graph_compute: KoffiFunc<(backend: Ptr, graph: Ptr) => number>;
  backend_sched_new(
    backends: BigUint64Array,
    bufferTypes: Null,
    count: number,
    graphSize: number,
    parallel: boolean,
    offload: boolean,
  ): Ptr;
  backend_sched_free(scheduler: Ptr): void;
  backend_sched_reset(scheduler: Ptr): void;
  backend_sched_alloc_graph(scheduler: Ptr, graph: Ptr): boolean;
  backend_sched_graph_compute: KoffiFunc<(scheduler: Ptr, graph: Ptr) => number>;
  backend_sched_get_buffer_size(scheduler: Ptr, backend: Ptr): number;
  backend_get_default_buffer_type(backend: Ptr): Ptr;
  backend_dev_supports_op(device: Ptr, node: Ptr): boolean;
  backend_buft_get_alloc_size(bufferType: Ptr, t: Ptr): number;
  backend_buft_alloc_buffer(bufferType: Ptr, size: number): Ptr | Null;
  backend_buft_get_alignment(bufferType: Ptr): number;
  backend_buft_get_max_size(bufferType: Ptr): number | bigint;
  backend_buft_is_host(bufferType: Ptr): boolean;
  backend_alloc_ctx_tensors(ctx: Ptr, backend: Ptr): Ptr | Null;
  backend_alloc_ctx_tensors_from_buft_size(ctx: Ptr, bufferType: Ptr): number | bigint;
  backend_buffer_free(buffer: Ptr): void;
  backend_buffer_get_size(buffer: Ptr): number;
  backend_buffer_get_base(buffer: Ptr): Ptr;
  backend_buffer_clear(buffer: Ptr, value: number): void;
  backend_alloc_buffer(backend: Ptr, size: number): Ptr | Null;
  backend_free(backend: Ptr): void;
  backend_get_device(backend: Ptr): Ptr;
  backend_dev_init(device: Ptr, params: Null): Ptr | Null;
  backend_dev_name(device: Ptr): string;
  backend_dev_description(device: Ptr): string;
  backend_dev_type(device: Ptr): number;
  backend_dev_memory(device: Ptr, free: BigUint64Array, total: BigUint64Array): void;
  /** @param properties of devicePropertiesType() */
  backend_dev_get_props(device: Ptr, properties: unknown): void;
  backend_dev_host_buffer_type(device: Ptr): Ptr | Null;
  backend_event_new(device: Ptr): Ptr | Null;
  backend_event_free(event: Ptr): void;
  backend_event_record(event: Ptr, backend: Ptr): void;
  backend_event_synchronize: KoffiFunc<(event: Ptr) => void>;
  backend_dev_backend_reg(device: Ptr): Ptr;
  backend_dev_buffer_from_host_ptr(device: Ptr, address: Ptr, size: number | bigint, maxTensor: number): Ptr | Null;
  backend_reg_get_proc_address(reg: Ptr, name: string): Ptr | Null;
}

const T = 'void *';
const signatures: Record<keyof Bindings, string> = {
  init: 'void *$(ggml_init_params params)',
  free: 'void $(void *ctx)',
  tensor_overhead: 'size_t $()',
  graph_overhead_custom: 'size_t $(size_t size, bool grads)',
  new_tensor_4d: 'void *$(void *ctx, int type, int64_t ne0, int64_t ne1, int64_t ne2, int64_t ne3)',
  view_4d:
    'void *$(void *ctx, void *a, int64_t ne0, int64_t ne1, int64_t ne2, int64_t ne3, size_t nb1, size_t nb2, size_t nb3, size_t offset)',
  reshape_4d: 'void *$(void *ctx, void *a, int64_t ne0, int64_t ne1, int64_t ne2, int64_t ne3)',
  permute: 'void *$(void *ctx, void *a, int x, int y, int z, int w)',
  repeat_4d: 'void *$(void *ctx, void *a, int64_t ne0, int64_t ne1, int64_t ne2, int64_t ne3)',
  cont: 'void *$(void *ctx, void *a)',
  cpy: 'void *$(void *ctx, void *a, void *b)',
  pad: 'void *$(void *ctx, void *a, int p0, int p1, int p2, int p3)',
  concat: 'void *$(void *ctx, void *a, void *b, int dim)',
  add: 'void *$(void *ctx, void *a, void *b)',
  mul: 'void *$(void *ctx, void *a, void *b)',
  mul_mat: 'void *$(void *ctx, void *a, void *b)',
  mul_mat_id: 'void *$(void *ctx, void *a, void *b, void *ids)',
  add_id: 'void *$(void *ctx, void *a, void *b, void *ids)',
  argsort_top_k: 'void *$(void *ctx, void *a, int k)',
  top_k: 'void *$(void *ctx, void *a, int k)',
  div: 'void *$(void *ctx, void *a, void *b)',
  clamp: 'void *$(void *ctx, void *a, float low, float high)',
  fill: 'void *$(void *ctx, void *a, float value)',
  sigmoid: 'void *$(void *ctx, void *a)',
  swiglu_oai: 'void *$(void *ctx, void *a, void *b, float alpha, float limit)',
  flash_attn_ext: 'void *$(void *ctx, void *q, void *k, void *v, void *mask, float scale, float bias, float softcap)',
  flash_attn_ext_add_sinks: 'void $(void *a, void *sinks)',
  flash_attn_ext_set_prec: 'void $(void *a, int prec)',
  scale: 'void *$(void *ctx, void *a, float s)',
  tanh: 'void *$(void *ctx, void *a)',
  rms_norm: 'void *$(void *ctx, void *a, float eps)',
  norm: 'void *$(void *ctx, void *a, float eps)',
  gelu: 'void *$(void *ctx, void *a)',
  relu: 'void *$(void *ctx, void *a)',
  get_rows: 'void *$(void *ctx, void *a, void *b)',
  set_rows: 'void *$(void *ctx, void *a, void *b, void *c)',
  swiglu_split: 'void *$(void *ctx, void *a, void *b)',
  geglu_split: 'void *$(void *ctx, void *a, void *b)',
  reglu_split: 'void *$(void *ctx, void *a, void *b)',
  soft_max_ext: 'void *$(void *ctx, void *a, void *mask, float scale, float max_bias)',
  soft_max_ext_inplace: 'void *$(void *ctx, void *a, void *mask, float scale, float max_bias)',
  soft_max_add_sinks: 'void $(void *a, void *sinks)',
  rope_ext:
    'void *$(void *ctx, void *a, void *pos, void *factors, int dims, int mode, int n_ctx_orig, float base, float scale, float ext, float attn, float fast, float slow)',
  rope_ext_inplace:
    'void *$(void *ctx, void *a, void *pos, void *factors, int dims, int mode, int n_ctx_orig, float base, float scale, float ext, float attn, float fast, float slow)',
  rope_ext_back:
    'void *$(void *ctx, void *a, void *pos, void *factors, int dims, int mode, int n_ctx_orig, float base, float scale, float ext, float attn, float fast, float slow)',
  add_inplace: 'void *$(void *ctx, void *a, void *b)',
  sub: 'void *$(void *ctx, void *a, void *b)',
  sqr: 'void *$(void *ctx, void *a)',
  log: 'void *$(void *ctx, void *a)',
  sum_rows: 'void *$(void *ctx, void *a)',
  silu: 'void *$(void *ctx, void *a)',
  scale_bias: 'void *$(void *ctx, void *a, float s, float b)',
  silu_back: 'void *$(void *ctx, void *gradient, void *x)',
  rms_norm_back: 'void *$(void *ctx, void *gradient, void *x, float eps)',
  soft_max_ext_back: 'void *$(void *ctx, void *gradient, void *softmax, float scale, float max_bias)',
  get_rows_back: 'void *$(void *ctx, void *gradient, void *rows, void *shape)',
  repeat_back: 'void *$(void *ctx, void *gradient, void *shape)',
  out_prod: 'void *$(void *ctx, void *a, void *b)',
  acc: 'void *$(void *ctx, void *a, void *b, size_t nb1, size_t nb2, size_t nb3, size_t offset)',
  argmax: 'void *$(void *ctx, void *a)',
  opt_step_adamw: 'void *$(void *ctx, void *a, void *gradient, void *m, void *v, void *params)',
  custom_4d:
    'void *$(void *ctx, int type, int64_t ne0, int64_t ne1, int64_t ne2, int64_t ne3, const void *args, int n_args, void *fun, int n_tasks, void *userdata)',
  set_input: 'void $(void *t)',
  set_output: 'void $(void *t)',
  set_param: 'void $(void *t)',
  new_graph_custom: 'void *$(void *ctx, size_t size, bool grads)',
  build_forward_expand: 'void $(void *graph, void *t)',
  graph_n_nodes: 'int $(void *graph)',
  graph_node: 'void *$(void *graph, int i)',
  graph_add_node: 'void $(void *graph, void *t)',
  op_desc: 'const char *$(void *t)',
  gallocr_new: 'void *$(void *buft)',
  gallocr_free: 'void $(void *ga)',
  gallocr_alloc_graph: 'bool $(void *ga, void *graph)',
  gallocr_get_buffer_size: 'size_t $(void *ga, int i)',
  gallocr_reserve_n_size: 'void $(void *ga, void *graph, const void *nodes, const void *leafs, _Out_ size_t *sizes)',
  backend_tensor_set: 'void $(void *t, const void *data, size_t offset, size_t size)',
  backend_tensor_set_async: 'void $(void *backend, void *t, const void *data, size_t offset, size_t size)',
  backend_tensor_get: 'void $(void *t, _Out_ void *data, size_t offset, size_t size)',
  backend_tensor_memset: 'void $(void *t, uint8_t value, size_t offset, size_t size)',
  backend_tensor_alloc: 'int $(void *buffer, void *t, void *address)',
  backend_graph_compute: 'int $(void *backend, void *graph)',
  backend_sched_new:
    'void *$(const void *backends, void *bufts, int n, size_t graph_size, bool parallel, bool op_offload)',
  backend_sched_free: 'void $(void *sched)',
  backend_sched_reset: 'void $(void *sched)',
  backend_sched_alloc_graph: 'bool $(void *sched, void *graph)',
  backend_sched_graph_compute: 'int $(void *sched, void *graph)',
  backend_sched_get_buffer_size: 'size_t $(void *sched, void *backend)',
  backend_get_default_buffer_type: 'void *$(void *backend)',
  backend_dev_supports_op: 'bool $(void *device, void *node)',
  backend_buft_get_alloc_size: 'size_t $(void *buft, void *t)',
  backend_buft_alloc_buffer: 'void *$(void *buft, size_t size)',
  backend_buft_get_alignment: 'size_t $(void *buft)',
  backend_buft_get_max_size: 'size_t $(void *buft)',
  backend_buft_is_host: 'bool $(void *buft)',
  backend_alloc_ctx_tensors: 'void *$(void *ctx, void *backend)',
  backend_alloc_ctx_tensors_from_buft_size: 'size_t $(void *ctx, void *buft)',
  backend_buffer_free: 'void $(void *buffer)',
  backend_buffer_get_size: 'size_t $(void *buffer)',
  backend_buffer_get_base: 'void *$(void *buffer)',
  backend_buffer_clear: 'void $(void *buffer, uint8_t value)',
  backend_alloc_buffer: 'void *$(void *backend, size_t size)',
  backend_free: 'void $(void *backend)',
  backend_get_device: 'void *$(void *backend)',
  backend_dev_init: 'void *$(void *device, void *params)',
  backend_dev_name: 'const char *$(void *device)',
  backend_dev_description: 'const char *$(void *device)',
  backend_dev_type: 'int $(void *device)',
  backend_dev_memory: 'void $(void *device, _Out_ size_t *free, _Out_ size_t *total)',
  backend_dev_get_props: 'void $(void *device, void *properties)',
  backend_dev_host_buffer_type: 'void *$(void *device)',
  backend_event_new: 'void *$(void *device)',
  backend_event_free: 'void $(void *event)',
  backend_event_record: 'void $(void *event, void *backend)',
  backend_event_synchronize: 'void $(void *event)',
  backend_dev_backend_reg: 'void *$(void *device)',
  backend_dev_buffer_from_host_ptr: 'void *$(void *device, void *ptr, size_t size, size_t max_tensor_size)',
  backend_reg_get_proc_address: 'void *$(void *reg, const char *name)',
};

/** What a device says of itself: struct ggml_backend_dev_props. */
export interface DeviceProperties {
  readonly caps: {
    readonly async: boolean;
    readonly host: boolean;
    readonly mapped: boolean;
    readonly events: boolean;
  };
}

let propertiesType: ReturnType<typeof koffi.struct> | undefined;

export function devicePropertiesType(): ReturnType<typeof koffi.struct> {
  const caps = { async: 'bool', host: 'bool', mapped: 'bool', events: 'bool' };
  propertiesType ??= koffi.struct({
    name: T,
    description: T,
    free: 'size_t',
    total: 'size_t',
    type: 'int',
    id: T,
    caps: koffi.struct(caps),
  });
  return propertiesType;
}

let bound: Bindings | undefined;

/** The bound functions. @throws BACKEND_UNAVAILABLE before loadLibrary(). */
export function bindings(): Bindings {
  if (bound === undefined) {
    const { base } = library();
    koffi.struct('ggml_init_params', { mem_size: 'size_t', mem_buffer: T, no_alloc: 'bool' });
    const table: Record<string, unknown> = {};
    for (const [name, signature] of Object.entries(signatures)) {
      table[name] = base.func(signature.replace('$', `ggml_${name}`));
    }
    bound = table as unknown as Bindings;
  }
  return bound;
}
