/**
 * Builds one compute graph: every method adds a node and checks shapes first, because a failed assertion inside ggml
 * ends the process.
 *
 * Holds metadata only; data is placed by backend.ts. Valid until `dispose()`. Shapes in comments are in ggml's order,
 * innermost first.
 */
import { BlockAttentionError } from '../errors.ts';
import { type Bindings, bindings } from './bindings.ts';
import { contiguousStrides, elementCount, rowBytes, type Shape, type Tensor, TensorType, typeName } from './tensor.ts';

/** Parameters of ggml's rotary embedding, see model/rope.ts for their meaning. */
export interface RopeOperation {
  readonly dims: number;
  /** ggml's mode: 0 pairs (2i, 2i+1), 2 pairs (i, i + dims/2). */
  readonly mode: 0 | 2;
  readonly originalContext: number;
  readonly base: number;
  readonly scale: number;
  readonly extFactor: number;
  readonly attnFactor: number;
  readonly betaFast: number;
  readonly betaSlow: number;
}

const onAllThreads = -1;
/** Of a custom node: GGML_MAX_SRC less one for its parameters. */
const mostSources = 9;

export class GraphContext {
  readonly #ggml: Bindings;
  readonly #ctx: bigint;
  readonly graph: bigint;
  readonly #capacity: number;
  /** Of a custom node's sources, while it is made. */
  readonly #addresses = new BigUint64Array(mostSources);
  #nodes = 0;
  #disposed = false;

  /** @param capacity upper bound of tensors, views included. */
  constructor(capacity: number) {
    this.#ggml = bindings();
    this.#capacity = capacity;
    const bytes =
      Number(this.#ggml.tensor_overhead()) * (capacity + 16) +
      Number(this.#ggml.graph_overhead_custom(capacity, false));
    const ctx = this.#ggml.init({ mem_size: bytes, mem_buffer: null, no_alloc: true });
    if (ctx === null) throw new BlockAttentionError('MODEL_TOO_LARGE', `cannot allocate ${bytes} bytes for a graph`);
    this.#ctx = ctx;
    this.graph = this.#ggml.new_graph_custom(ctx, capacity, false);
  }

  /** ggml's context, for calls that take one. */
  get address(): bigint {
    return this.#ctx;
  }

  get nodes(): number {
    return this.#nodes;
  }

  #wrap(address: bigint, type: TensorType, ne: Shape, nb?: Shape): Tensor {
    return { address, type, ne, nb: nb ?? contiguousStrides(type, ne) };
  }

  /** Every node passes here before it is made. */
  #reserve(ok: boolean, operation: string, ...operands: Tensor[]): void {
    if (!ok) {
      const shapes = operands.map((t) => `${typeName(t.type)}[${t.ne.join(',')}]`).join(' ');
      throw new BlockAttentionError('COMPUTE_FAILED', `${operation}: shapes do not fit: ${shapes}`);
    }
    if (++this.#nodes > this.#capacity) {
      throw new BlockAttentionError('COMPUTE_FAILED', `graph has more than ${this.#capacity} tensors`);
    }
  }

  /**
   * A node made by `build`, for classes that add operations.
   * @param ok whether the operands' shapes fit: checked before `build` is called
   */
  protected node(
    operation: string,
    ok: boolean,
    operands: readonly Tensor[],
    shape: { readonly type: TensorType; readonly ne: Shape; readonly nb?: Shape },
    build: (calls: Bindings, ctx: bigint) => bigint,
  ): Tensor {
    this.#reserve(ok, operation, ...operands);
    return this.#wrap(build(this.#ggml, this.#ctx), shape.type, shape.ne, shape.nb);
  }

  tensor(type: TensorType, ne0: number, ne1 = 1, ne2 = 1, ne3 = 1): Tensor {
    this.#reserve(ne0 > 0 && ne1 > 0 && ne2 > 0 && ne3 > 0, `tensor [${ne0},${ne1},${ne2},${ne3}]`);
    return this.#wrap(this.#ggml.new_tensor_4d(this.#ctx, type, ne0, ne1, ne2, ne3), type, [ne0, ne1, ne2, ne3]);
  }

  /** A tensor whose data the caller sets before computing. */
  input(type: TensorType, ne0: number, ne1 = 1, ne2 = 1, ne3 = 1): Tensor {
    const t = this.tensor(type, ne0, ne1, ne2, ne3);
    this.#ggml.set_input(t.address);
    return t;
  }

  /** Keeps a node's data readable after computing, and adds it to the graph. */
  output(t: Tensor): Tensor {
    this.#ggml.set_output(t.address);
    return this.expand(t);
  }

  /** Adds a node and all it depends on to the graph, in that order. */
  expand(t: Tensor): Tensor {
    this.#ggml.build_forward_expand(this.graph, t.address);
    return t;
  }

  /** A window on `a`; strides and offset in bytes. */
  view(a: Tensor, ne: Shape, nb1: number, nb2: number, nb3: number, offset: number): Tensor {
    this.#reserve(offset >= 0 && ne.every((n) => n > 0), 'view', a);
    const address = this.#ggml.view_4d(this.#ctx, a.address, ne[0], ne[1], ne[2], ne[3], nb1, nb2, nb3, offset);
    return this.#wrap(address, a.type, ne, [a.nb[0], nb1, nb2, nb3]);
  }

  reshape(a: Tensor, ne0: number, ne1 = 1, ne2 = 1, ne3 = 1): Tensor {
    const ne: Shape = [ne0, ne1, ne2, ne3];
    this.#reserve(isContiguous(a) && elementCount(ne) === elementCount(a.ne), `reshape to [${ne.join(',')}]`, a);
    return this.#wrap(this.#ggml.reshape_4d(this.#ctx, a.address, ne0, ne1, ne2, ne3), a.type, ne);
  }

  /** Dimension i of `a` becomes dimension axes[i]. No copy. */
  permute(a: Tensor, x: number, y: number, z: number, w: number): Tensor {
    const axes = [x, y, z, w];
    this.#reserve(new Set(axes).size === 4 && axes.every((i) => i >= 0 && i < 4), `permute ${axes.join(',')}`, a);
    const ne: [number, number, number, number] = [0, 0, 0, 0];
    const nb: [number, number, number, number] = [0, 0, 0, 0];
    axes.forEach((to, from) => {
      ne[to] = a.ne[from] ?? 0;
      nb[to] = a.nb[from] ?? 0;
    });
    return this.#wrap(this.#ggml.permute(this.#ctx, a.address, x, y, z, w), a.type, ne, nb);
  }

  cont(a: Tensor): Tensor {
    this.#reserve(true, 'cont', a);
    return this.#wrap(this.#ggml.cont(this.#ctx, a.address), a.type, a.ne);
  }

  /** `a` itself when its elements lie one after the other, else a copy for which that holds. */
  contiguous(a: Tensor): Tensor {
    return isContiguous(a) ? a : this.cont(a);
  }

  /** Copies (and converts) `a` into the storage of `b`, element by element in order. */
  copy(a: Tensor, b: Tensor): Tensor {
    this.#reserve(elementCount(a.ne) === elementCount(b.ne), 'copy', a, b);
    return this.#wrap(this.#ggml.cpy(this.#ctx, a.address, b.address), b.type, b.ne, b.nb);
  }

  /** Zeros after the end of dimensions 0 and 1. f32 only. */
  pad(a: Tensor, p0: number, p1 = 0): Tensor {
    this.#reserve(a.type === TensorType.F32 && p0 >= 0 && p1 >= 0, 'pad', a);
    const ne: Shape = [a.ne[0] + p0, a.ne[1] + p1, a.ne[2], a.ne[3]];
    return this.#wrap(this.#ggml.pad(this.#ctx, a.address, p0, p1, 0, 0), a.type, ne);
  }

  repeat(a: Tensor, ne0: number, ne1: number, ne2: number, ne3 = 1): Tensor {
    const ne: Shape = [ne0, ne1, ne2, ne3];
    this.#reserve(
      ne.every((n, i) => n % (a.ne[i] ?? 1) === 0),
      `repeat to [${ne.join(',')}]`,
      a,
    );
    return this.#wrap(this.#ggml.repeat_4d(this.#ctx, a.address, ne0, ne1, ne2, ne3), a.type, ne);
  }

  /** `a` followed by `b` along dimension `dim`. */
  concat(a: Tensor, b: Tensor, dim: 0 | 1 | 2): Tensor {
    this.#reserve(a.type === b.type && a.ne.every((n, i) => i === dim || n === b.ne[i]), `concat along ${dim}`, a, b);
    const ne: [number, number, number, number] = [a.ne[0], a.ne[1], a.ne[2], a.ne[3]];
    ne[dim] += b.ne[dim];
    return this.#wrap(this.#ggml.concat(this.#ctx, a.address, b.address, dim), a.type, ne);
  }

  add(a: Tensor, b: Tensor): Tensor {
    this.#reserve(broadcasts(b, a), 'add', a, b);
    return this.#wrap(this.#ggml.add(this.#ctx, a.address, b.address), a.type, a.ne);
  }

  mul(a: Tensor, b: Tensor): Tensor {
    this.#reserve(broadcasts(b, a), 'mul', a, b);
    return this.#wrap(this.#ggml.mul(this.#ctx, a.address, b.address), a.type, a.ne);
  }

  /** Rows of `a` times rows of `b`: [k, m] x [k, n] -> [m, n] f32; `a` is broadcast over dimensions 2 and 3. */
  mulMat(a: Tensor, b: Tensor): Tensor {
    const fits = a.ne[0] === b.ne[0] && b.ne[2] % a.ne[2] === 0 && b.ne[3] % a.ne[3] === 0 && a.nb[0] <= a.nb[1];
    this.#reserve(fits, 'mulMat', a, b);
    const address = this.#ggml.mul_mat(this.#ctx, a.address, b.address);
    return this.#wrap(address, TensorType.F32, [a.ne[1], b.ne[1], b.ne[2], b.ne[3]]);
  }

  /**
   * Each row of `b` times the matrices that `ids` names for it (experts).
   * @param a [k, m, matrices]
   * @param b f32 [k, 1 or ids per token, tokens]
   * @param ids i32 [ids per token, tokens]
   * @returns f32 [m, ids per token, tokens]
   */
  mulMatId(a: Tensor, b: Tensor, ids: Tensor): Tensor {
    const [n, tokens] = ids.ne;
    const rows = (b.ne[1] === 1 || b.ne[1] === n) && b.ne[2] === tokens;
    const fits =
      a.ne[0] === b.ne[0] && rows && a.ne[3] === 1 && ids.type === TensorType.I32 && b.type === TensorType.F32;
    this.#reserve(fits, 'mulMatId', a, b, ids);
    const address = this.#ggml.mul_mat_id(this.#ctx, a.address, b.address, ids.address);
    return this.#wrap(address, TensorType.F32, [a.ne[1], n, tokens, 1]);
  }

  /** a [m, n, tokens] + the columns of `b` f32 [m, columns] that `ids` i32 [n, tokens] names. */
  addId(a: Tensor, b: Tensor, ids: Tensor): Tensor {
    const fits = a.ne[0] === b.ne[0] && a.ne[1] === ids.ne[0] && a.ne[2] === ids.ne[1] && ids.type === TensorType.I32;
    this.#reserve(fits && a.type === TensorType.F32 && b.type === TensorType.F32, 'addId', a, b, ids);
    return this.#wrap(this.#ggml.add_id(this.#ctx, a.address, b.address, ids.address), a.type, a.ne);
  }

  /** Indexes of the `k` largest of each row of `a` f32 [n, rows], the largest first: i32 [k, rows]. */
  topK(a: Tensor, k: number): Tensor {
    this.#reserve(k >= 1 && k <= a.ne[0] && a.type === TensorType.F32, `topK of ${k}`, a);
    // A view of a sorted copy.
    return this.#wrap(
      this.#ggml.argsort_top_k(this.#ctx, a.address, k),
      TensorType.I32,
      [k, a.ne[1], a.ne[2], a.ne[3]],
      [4, a.ne[0] * 4, a.ne[0] * a.ne[1] * 4, a.ne[0] * a.ne[1] * a.ne[2] * 4],
    );
  }

  div(a: Tensor, b: Tensor): Tensor {
    this.#reserve(broadcasts(b, a), 'div', a, b);
    return this.#wrap(this.#ggml.div(this.#ctx, a.address, b.address), a.type, a.ne);
  }

  /** In place. */
  clamp(a: Tensor, low: number, high: number): Tensor {
    this.#reserve(low <= high, `clamp to ${low}..${high}`, a);
    return this.#wrap(this.#ggml.clamp(this.#ctx, a.address, low, high), a.type, a.ne, a.nb);
  }

  sigmoid(a: Tensor): Tensor {
    this.#reserve(isContiguous(a), 'sigmoid', a);
    return this.#wrap(this.#ggml.sigmoid(this.#ctx, a.address), a.type, a.ne);
  }

  /** Sum of each row: [1, rows]. */
  sumRows(a: Tensor): Tensor {
    this.#reserve(a.type === TensorType.F32 && isContiguous(a), 'sumRows', a);
    return this.#wrap(this.#ggml.sum_rows(this.#ctx, a.address), TensorType.F32, [1, a.ne[1], a.ne[2], a.ne[3]]);
  }

  /** min(gate, limit) * sigmoid(alpha * min(gate, limit)) * (1 + up within ±limit). */
  swigluClamped(gate: Tensor, up: Tensor, alpha: number, limit: number): Tensor {
    this.#reserve(sameShape(gate, up) && rowsContiguous(gate, up), 'swigluClamped', gate, up);
    const address = this.#ggml.swiglu_oai(this.#ctx, gate.address, up.address, alpha, limit);
    return this.#wrap(address, gate.type, gate.ne);
  }

  scale(a: Tensor, factor: number): Tensor {
    this.#reserve(Number.isFinite(factor), `scale by ${factor}`, a);
    return this.#wrap(this.#ggml.scale(this.#ctx, a.address, factor), a.type, a.ne);
  }

  tanh(a: Tensor): Tensor {
    this.#reserve(true, 'tanh', a);
    return this.#wrap(this.#ggml.tanh(this.#ctx, a.address), a.type, a.ne);
  }

  rmsNorm(a: Tensor, epsilon: number): Tensor {
    this.#reserve(a.type === TensorType.F32, 'rmsNorm', a);
    return this.#wrap(this.#ggml.rms_norm(this.#ctx, a.address, epsilon), a.type, a.ne);
  }

  /** Rows of `a` [k, rows] picked by `rows` i32 [n] -> f32 [k, n]. */
  getRows(a: Tensor, rows: Tensor): Tensor {
    this.#reserve(rows.type === TensorType.I32 && a.ne[2] === rows.ne[1] && a.ne[3] === rows.ne[2], 'getRows', a, rows);
    const address = this.#ggml.get_rows(this.#ctx, a.address, rows.address);
    return this.#wrap(address, TensorType.F32, [a.ne[0], rows.ne[0], rows.ne[1], rows.ne[2]]);
  }

  /** Writes rows of `b` f32 [k, n, …] into `a` [k, rows, …] at `rows` i64 [n]; returns a view of `a`. */
  setRows(a: Tensor, b: Tensor, rows: Tensor): Tensor {
    const fits =
      rows.type === TensorType.I64 && b.type === TensorType.F32 && a.ne[0] === b.ne[0] && b.ne[1] === rows.ne[0];
    this.#reserve(fits && a.ne[2] === b.ne[2] && a.ne[3] === b.ne[3], 'setRows', a, b, rows);
    return this.#wrap(this.#ggml.set_rows(this.#ctx, a.address, b.address, rows.address), a.type, a.ne, a.nb);
  }

  /** silu(gate) * up. */
  swiglu(gate: Tensor, up: Tensor): Tensor {
    this.#reserve(sameShape(gate, up) && rowsContiguous(gate, up), 'swiglu', gate, up);
    return this.#wrap(this.#ggml.swiglu_split(this.#ctx, gate.address, up.address), gate.type, gate.ne);
  }

  /** gelu(gate) * up, tanh approximation. */
  geglu(gate: Tensor, up: Tensor): Tensor {
    this.#reserve(sameShape(gate, up) && rowsContiguous(gate, up), 'geglu', gate, up);
    return this.#wrap(this.#ggml.geglu_split(this.#ctx, gate.address, up.address), gate.type, gate.ne);
  }

  /**
   * softmax(a * scale + mask) over dimension 0, in place.
   * @param a f32 [keys, queries, heads, batch]
   * @param mask f32 or f16 [keys, >= queries], or null
   * @param sinks f32 [heads]: a score per head that takes its share of the sum, and gives nothing. Defaults to none
   */
  softMax(a: Tensor, mask: Tensor | null, scale: number, sinks?: Tensor): Tensor {
    const masked = mask === null || (mask.ne[0] === a.ne[0] && mask.ne[1] >= a.ne[1] && a.ne[2] % mask.ne[2] === 0);
    const sunk = sinks === undefined || (sinks.type === TensorType.F32 && sinks.ne[0] === a.ne[2]);
    this.#reserve(masked && sunk && isContiguous(a), 'softMax', a, ...(mask ? [mask] : []), ...(sinks ? [sinks] : []));
    const address = this.#ggml.soft_max_ext_inplace(this.#ctx, a.address, mask?.address ?? null, scale, 0);
    if (sinks !== undefined) this.#ggml.soft_max_add_sinks(address, sinks.address);
    return this.#wrap(address, a.type, a.ne);
  }

  /**
   * ggml's own fused attention: q [headDim, queries, heads], k and v [headDim, keys, kvHeads], mask f16 [keys, queries].
   * @returns [headDim, heads, queries]
   */
  flashAttention(q: Tensor, k: Tensor, v: Tensor, mask: Tensor, scale: number): Tensor {
    const fits = q.ne[0] === k.ne[0] && k.ne[1] === v.ne[1] && mask.ne[0] === k.ne[1] && q.ne[2] % k.ne[2] === 0;
    this.#reserve(fits, 'flashAttention', q, k, v, mask);
    const address = this.#ggml.flash_attn_ext(this.#ctx, q.address, k.address, v.address, mask.address, scale, 0, 0);
    return this.#wrap(address, TensorType.F32, [v.ne[0], q.ne[2], q.ne[1], 1]);
  }

  /** Rotary embedding of `a` [headDim, heads, tokens] at `positions` i32 [tokens]; `factors` f32 [dims/2] or null. */
  rope(a: Tensor, positions: Tensor, factors: Tensor | null, p: RopeOperation): Tensor {
    const fits =
      positions.type === TensorType.I32 && positions.ne[0] === a.ne[2] && p.dims <= a.ne[0] && p.dims % 2 === 0;
    this.#reserve(fits && (factors === null || factors.ne[0] >= p.dims / 2), 'rope', a, positions);
    const address = this.#ggml.rope_ext(
      this.#ctx,
      a.address,
      positions.address,
      factors?.address ?? null,
      p.dims,
      p.mode,
      p.originalContext,
      p.base,
      p.scale,
      p.extFactor,
      p.attnFactor,
      p.betaFast,
      p.betaSlow,
    );
    return this.#wrap(address, a.type, a.ne);
  }

  /** A node computed by a native function of type ggml_custom_op_t. `userdata` must outlive every compute. CPU only. */
  custom(ne: Shape, sources: readonly Tensor[], fun: bigint, userdata: bigint): Tensor {
    this.#reserve(
      sources.length > 0 && sources.length <= mostSources,
      `custom with ${sources.length} sources`,
      ...sources,
    );
    sources.forEach((source, i) => {
      this.#addresses[i] = source.address;
    });
    const address = this.#ggml.custom_4d(
      this.#ctx,
      TensorType.F32,
      ne[0],
      ne[1],
      ne[2],
      ne[3],
      this.#addresses,
      sources.length,
      fun,
      onAllThreads,
      userdata,
    );
    return this.#wrap(address, TensorType.F32, ne);
  }

  dispose(): void {
    if (this.#disposed) return;
    this.#disposed = true;
    this.#ggml.free(this.#ctx);
  }
}

export function isContiguous(a: Tensor): boolean {
  let expected = a.nb[0];
  for (let i = 0; i < 4; i++) {
    const n = a.ne[i] ?? 1;
    if (n !== 1 && a.nb[i] !== expected) return false;
    expected = i === 0 ? rowBytes(a.type, a.ne[0]) : expected * n;
  }
  return true;
}

function rowsContiguous(...tensors: Tensor[]): boolean {
  return tensors.every((t) => t.nb[0] === rowBytes(t.type, t.ne[0]) / t.ne[0]);
}

export function sameShape(a: Tensor, b: Tensor): boolean {
  return a.ne.every((n, i) => n === b.ne[i]);
}

/** Whether `b` can be repeated to the shape of `a`. */
export function broadcasts(b: Tensor, a: Tensor): boolean {
  return a.ne.every((n, i) => n % (b.ne[i] ?? 1) === 0);
}
