/**
 * Builds one compute graph: every method adds a node and checks shapes first, because a failed assertion inside ggml
 * ends the process.
 *
 * Holds metadata only; data is placed by backend.ts. Valid until `dispose()`. Shapes in comments are in ggml's order,
 * innermost first.
 */
import { ExpertGraph } from './expert-graph.ts';
import { broadcasts, isContiguous, rowsContiguous, sameShape } from './graph-base.ts';
import { type Shape, type Tensor, TensorType } from './tensor.ts';

export { broadcasts, isContiguous, sameShape };

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

/** The parameters in the order in which every rotation of ggml takes them, behind its tensors. */
export function ropeArguments(p: RopeOperation) {
  const { dims, mode, originalContext, base, scale, extFactor, attnFactor, betaFast, betaSlow } = p;
  return [dims, mode, originalContext, base, scale, extFactor, attnFactor, betaFast, betaSlow] as const;
}

const onAllThreads = -1;
/** GGML_PREC_F32. */
const preciseFlash = 10;
/** Of a custom node: GGML_MAX_SRC less one for its parameters. */
const mostSources = 9;

export class GraphContext extends ExpertGraph {
  /** Of a custom node's sources, while it is made. */
  readonly #addresses = new BigUint64Array(mostSources);

  add(a: Tensor, b: Tensor): Tensor {
    this.reserve(broadcasts(b, a), 'add', a, b);
    return this.wrap(this.ggml.add(this.address, a.address, b.address), a.type, a.ne);
  }

  mul(a: Tensor, b: Tensor): Tensor {
    this.reserve(broadcasts(b, a), 'mul', a, b);
    return this.wrap(this.ggml.mul(this.address, a.address, b.address), a.type, a.ne);
  }

  /** Rows of `a` times rows of `b`: [k, m] x [k, n] -> [m, n] f32; `a` is broadcast over dimensions 2 and 3. */
  mulMat(a: Tensor, b: Tensor): Tensor {
    const fits = a.ne[0] === b.ne[0] && b.ne[2] % a.ne[2] === 0 && b.ne[3] % a.ne[3] === 0 && a.nb[0] <= a.nb[1];
    this.reserve(fits, 'mulMat', a, b);
    const address = this.ggml.mul_mat(this.address, a.address, b.address);
    return this.wrap(address, TensorType.F32, [a.ne[1], b.ne[1], b.ne[2], b.ne[3]]);
  }

  scale(a: Tensor, factor: number): Tensor {
    this.reserve(Number.isFinite(factor), `scale by ${factor}`, a);
    return this.wrap(this.ggml.scale(this.address, a.address, factor), a.type, a.ne);
  }

  tanh(a: Tensor): Tensor {
    this.reserve(true, 'tanh', a);
    return this.wrap(this.ggml.tanh(this.address, a.address), a.type, a.ne);
  }

  rmsNorm(a: Tensor, epsilon: number): Tensor {
    this.reserve(a.type === TensorType.F32, 'rmsNorm', a);
    return this.wrap(this.ggml.rms_norm(this.address, a.address, epsilon), a.type, a.ne);
  }

  /** To mean 0 and variance 1 over dimension 0 (LayerNorm, without its weight and bias). */
  layerNorm(a: Tensor, epsilon: number): Tensor {
    this.reserve(a.type === TensorType.F32, 'layerNorm', a);
    return this.wrap(this.ggml.norm(this.address, a.address, epsilon), a.type, a.ne);
  }

  /** tanh approximation. */
  gelu(a: Tensor): Tensor {
    this.reserve(isContiguous(a), 'gelu', a);
    return this.wrap(this.ggml.gelu(this.address, a.address), a.type, a.ne);
  }

  relu(a: Tensor): Tensor {
    this.reserve(isContiguous(a), 'relu', a);
    return this.wrap(this.ggml.relu(this.address, a.address), a.type, a.ne);
  }

  square(a: Tensor): Tensor {
    this.reserve(a.type === TensorType.F32, 'square', a);
    return this.wrap(this.ggml.sqr(this.address, a.address), a.type, a.ne);
  }

  /** Rows of `a` [k, rows] picked by `rows` i32 [n] -> f32 [k, n]; of an i32 `a`, i32: the bits as they are. */
  getRows(a: Tensor, rows: Tensor): Tensor {
    this.reserve(rows.type === TensorType.I32 && a.ne[2] === rows.ne[1] && a.ne[3] === rows.ne[2], 'getRows', a, rows);
    const address = this.ggml.get_rows(this.address, a.address, rows.address);
    const type = a.type === TensorType.I32 ? TensorType.I32 : TensorType.F32;
    return this.wrap(address, type, [a.ne[0], rows.ne[0], rows.ne[1], rows.ne[2]]);
  }

  /** Writes rows of `b` f32 (or f16 into f16) [k, n, …] into `a` [k, rows, …] at `rows` i64 [n]; returns a view of `a`. */
  setRows(a: Tensor, b: Tensor, rows: Tensor): Tensor {
    const halves = b.type === TensorType.F16 && a.type === TensorType.F16;
    const fits = (b.type === TensorType.F32 || halves) && rows.type === TensorType.I64;
    const shaped = a.ne[0] === b.ne[0] && b.ne[1] === rows.ne[0] && a.ne[2] === b.ne[2] && a.ne[3] === b.ne[3];
    this.reserve(fits && shaped, 'setRows', a, b, rows);
    return this.wrap(this.ggml.set_rows(this.address, a.address, b.address, rows.address), a.type, a.ne, a.nb);
  }

  /** silu(gate) * up. */
  swiglu(gate: Tensor, up: Tensor): Tensor {
    this.reserve(sameShape(gate, up) && rowsContiguous(gate, up), 'swiglu', gate, up);
    return this.wrap(this.ggml.swiglu_split(this.address, gate.address, up.address), gate.type, gate.ne);
  }

  /** relu(gate) * up. */
  reglu(gate: Tensor, up: Tensor): Tensor {
    this.reserve(sameShape(gate, up) && rowsContiguous(gate, up), 'reglu', gate, up);
    return this.wrap(this.ggml.reglu_split(this.address, gate.address, up.address), gate.type, gate.ne);
  }

  /** gelu(gate) * up, tanh approximation. */
  geglu(gate: Tensor, up: Tensor): Tensor {
    this.reserve(sameShape(gate, up) && rowsContiguous(gate, up), 'geglu', gate, up);
    return this.wrap(this.ggml.geglu_split(this.address, gate.address, up.address), gate.type, gate.ne);
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
    this.reserve(masked && sunk && isContiguous(a), 'softMax', a, ...(mask ? [mask] : []), ...(sinks ? [sinks] : []));
    const address = this.ggml.soft_max_ext_inplace(this.address, a.address, mask?.address ?? null, scale, 0);
    if (sinks !== undefined) this.ggml.soft_max_add_sinks(address, sinks.address);
    return this.wrap(address, a.type, a.ne);
  }

  /**
   * ggml's own fused attention, summed in f32: q f32 [headDim, queries, heads], k [headDim, keys, kvHeads] and v
   * [valueDim, keys, kvHeads] of any strides, mask f16 [keys, queries].
   * @param more `softcap`: scores s become cap * tanh(s / cap), 0 for none; `sinks`: as of softMax()
   * @returns [valueDim, heads, queries]
   */
  flashAttention(
    q: Tensor,
    k: Tensor,
    v: Tensor,
    mask: Tensor,
    scale: number,
    more: { readonly softcap?: number; readonly sinks?: Tensor | undefined } = {},
  ): Tensor {
    const { softcap = 0, sinks } = more;
    const fits = q.ne[0] === k.ne[0] && k.ne[1] === v.ne[1] && mask.ne[0] === k.ne[1] && q.ne[2] % k.ne[2] === 0;
    const masks = mask.type === TensorType.F16 && isContiguous(mask) && mask.ne[1] >= q.ne[1];
    const sunk = sinks === undefined || (sinks.type === TensorType.F32 && sinks.ne[0] === q.ne[2]);
    this.reserve(fits && masks && sunk && k.ne[2] === v.ne[2], 'flashAttention', q, k, v, mask);
    const { ggml } = this;
    const address = ggml.flash_attn_ext(this.address, q.address, k.address, v.address, mask.address, scale, 0, softcap);
    if (sinks !== undefined) ggml.flash_attn_ext_add_sinks(address, sinks.address);
    ggml.flash_attn_ext_set_prec(address, preciseFlash);
    return this.wrap(address, TensorType.F32, [v.ne[0], q.ne[2], q.ne[1], 1]);
  }

  /** Rotary embedding of `a` [headDim, heads, tokens] at `positions` i32 [tokens]; `factors` f32 [dims/2] or null. */
  rope(a: Tensor, positions: Tensor, factors: Tensor | null, p: RopeOperation): Tensor {
    return this.#rope('rope_ext', a, positions, factors, p);
  }

  /** The same, in the storage of `a`, f32 or f16. */
  ropeInPlace(a: Tensor, positions: Tensor, factors: Tensor | null, p: RopeOperation): Tensor {
    return this.#rope('rope_ext_inplace', a, positions, factors, p);
  }

  #rope(
    call: 'rope_ext' | 'rope_ext_inplace',
    a: Tensor,
    positions: Tensor,
    factors: Tensor | null,
    p: RopeOperation,
  ): Tensor {
    const fits =
      positions.type === TensorType.I32 && positions.ne[0] === a.ne[2] && p.dims <= a.ne[0] && p.dims % 2 === 0;
    this.reserve(fits && (factors === null || factors.ne[0] >= p.dims / 2), 'rope', a, positions);
    const address = this.ggml[call](
      this.address,
      a.address,
      positions.address,
      factors?.address ?? null,
      ...ropeArguments(p),
    );
    return this.wrap(address, a.type, a.ne, call === 'rope_ext_inplace' ? a.nb : undefined);
  }

  /** A node computed by a native function of type ggml_custom_op_t. `userdata` must outlive every compute. CPU only. */
  custom(ne: Shape, sources: readonly Tensor[], fun: bigint, userdata: bigint): Tensor {
    this.reserve(
      sources.length > 0 && sources.length <= mostSources,
      `custom with ${sources.length} sources`,
      ...sources,
    );
    sources.forEach((source, i) => {
      this.#addresses[i] = source.address;
    });
    const address = this.ggml.custom_4d(
      this.address,
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
    return this.wrap(address, TensorType.F32, ne);
  }
}
