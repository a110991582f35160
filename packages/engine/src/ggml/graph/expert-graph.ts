/** Operations of layers that route over experts: choosing, weighting, and products with the chosen ones alone. */
import { broadcasts, GraphBase, isContiguous, rowsContiguous, sameShape } from './graph-base.ts';
import { type Tensor, TensorType } from './tensor.ts';

export class ExpertGraph extends GraphBase {
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
    this.reserve(fits, 'mulMatId', a, b, ids);
    const address = this.ggml.mul_mat_id(this.address, a.address, b.address, ids.address);
    return this.wrap(address, TensorType.F32, [a.ne[1], n, tokens, 1]);
  }

  /** a [m, n, tokens] + the columns of `b` f32 [m, columns] that `ids` i32 [n, tokens] names. */
  addId(a: Tensor, b: Tensor, ids: Tensor): Tensor {
    const fits = a.ne[0] === b.ne[0] && a.ne[1] === ids.ne[0] && a.ne[2] === ids.ne[1] && ids.type === TensorType.I32;
    this.reserve(fits && a.type === TensorType.F32 && b.type === TensorType.F32, 'addId', a, b, ids);
    return this.wrap(this.ggml.add_id(this.address, a.address, b.address, ids.address), a.type, a.ne);
  }

  /** Indexes of the `k` largest of each row of `a` f32 [n, rows], the largest first: i32 [k, rows]. */
  topK(a: Tensor, k: number): Tensor {
    this.reserve(k >= 1 && k <= a.ne[0] && a.type === TensorType.F32, `topK of ${k}`, a);
    // A view of a sorted copy.
    return this.wrap(
      this.ggml.argsort_top_k(this.address, a.address, k),
      TensorType.I32,
      [k, a.ne[1], a.ne[2], a.ne[3]],
      [4, a.ne[0] * 4, a.ne[0] * a.ne[1] * 4, a.ne[0] * a.ne[1] * a.ne[2] * 4],
    );
  }

  /** The same in any order, without sorting the rest. */
  topKUnsorted(a: Tensor, k: number): Tensor {
    this.reserve(k >= 1 && k <= a.ne[0] && a.type === TensorType.F32 && isContiguous(a), `top ${k}`, a);
    return this.wrap(this.ggml.top_k(this.address, a.address, k), TensorType.I32, [k, a.ne[1], a.ne[2], a.ne[3]]);
  }

  /** Rows of `b` f32 [k, n, tokens] into `a` f32 [k, rows, tokens], each token's at its own `rows` i32 [n, tokens]; a view of `a`. */
  scatterRows(a: Tensor, b: Tensor, rows: Tensor): Tensor {
    const floats = a.type === TensorType.F32 && b.type === TensorType.F32 && rows.type === TensorType.I32;
    const fits = a.ne[0] === b.ne[0] && b.ne[1] === rows.ne[0] && a.ne[2] === b.ne[2] && b.ne[2] === rows.ne[1];
    this.reserve(floats && fits, 'scatterRows', a, b, rows);
    return this.wrap(this.ggml.set_rows(this.address, a.address, b.address, rows.address), a.type, a.ne, a.nb);
  }

  /** `a` with every element of this value. */
  fill(a: Tensor, value: number): Tensor {
    this.reserve(a.type === TensorType.F32 && isContiguous(a), 'fill', a);
    return this.wrap(this.ggml.fill(this.address, a.address, value), a.type, a.ne);
  }

  div(a: Tensor, b: Tensor): Tensor {
    this.reserve(broadcasts(b, a), 'div', a, b);
    return this.wrap(this.ggml.div(this.address, a.address, b.address), a.type, a.ne);
  }

  /** In place. */
  clamp(a: Tensor, low: number, high: number): Tensor {
    this.reserve(low <= high, `clamp to ${low}..${high}`, a);
    return this.wrap(this.ggml.clamp(this.address, a.address, low, high), a.type, a.ne, a.nb);
  }

  sigmoid(a: Tensor): Tensor {
    this.reserve(isContiguous(a), 'sigmoid', a);
    return this.wrap(this.ggml.sigmoid(this.address, a.address), a.type, a.ne);
  }

  /** Sum of each row: [1, rows]. */
  sumRows(a: Tensor): Tensor {
    this.reserve(a.type === TensorType.F32 && isContiguous(a), 'sumRows', a);
    return this.wrap(this.ggml.sum_rows(this.address, a.address), TensorType.F32, [1, a.ne[1], a.ne[2], a.ne[3]]);
  }

  /** min(gate, limit) * sigmoid(alpha * min(gate, limit)) * (1 + up within ±limit). */
  swigluClamped(gate: Tensor, up: Tensor, alpha: number, limit: number): Tensor {
    this.reserve(sameShape(gate, up) && rowsContiguous(gate, up), 'swigluClamped', gate, up);
    const address = this.ggml.swiglu_oai(this.address, gate.address, up.address, alpha, limit);
    return this.wrap(address, gate.type, gate.ne);
  }
}
