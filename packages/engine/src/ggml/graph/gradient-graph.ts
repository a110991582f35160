/**
 * Graph operations that only training needs: gradients of the forward operations, and the optimizer's step.
 *
 * Same rules as graph-context.ts: shapes are checked before ggml sees them. Gradients are f32.
 */
import {
  broadcasts,
  GraphContext,
  isContiguous,
  type RopeOperation,
  ropeArguments,
  sameShape,
} from './graph-context.ts';
import { type Tensor, TensorType } from './tensor.ts';

export class GradientGraph extends GraphContext {
  #f32(
    operation: string,
    ok: boolean,
    like: Tensor,
    operands: readonly Tensor[],
    build: Parameters<typeof this.node>[4],
  ) {
    return this.node(operation, ok && operands.every((t) => t.type === TensorType.F32), operands, plain(like), build);
  }

  /** Keeps a node's data from being overwritten, without adding the node to the graph yet. */
  keep(a: Tensor): Tensor {
    this.node('keep', true, [a], a, (calls) => {
      calls.set_output(a.address);
      return a.address;
    });
    return a;
  }

  /** a += b, in the memory of `a`; returns a view of it. */
  addInPlace(a: Tensor, b: Tensor): Tensor {
    return this.#f32('addInPlace', sameShape(a, b), a, [a, b], (calls, ctx) =>
      calls.add_inplace(ctx, a.address, b.address),
    );
  }

  sub(a: Tensor, b: Tensor): Tensor {
    return this.#f32('sub', broadcasts(b, a), a, [a, b], (calls, ctx) => calls.sub(ctx, a.address, b.address));
  }

  /** Natural logarithm. */
  log(a: Tensor): Tensor {
    return this.#f32('log', isContiguous(a), a, [a], (calls, ctx) => calls.log(ctx, a.address));
  }

  silu(a: Tensor): Tensor {
    return this.#f32('silu', isContiguous(a), a, [a], (calls, ctx) => calls.silu(ctx, a.address));
  }

  /** a * factor + bias. */
  affine(a: Tensor, factor: number, bias: number): Tensor {
    const ok = Number.isFinite(factor) && Number.isFinite(bias) && isContiguous(a);
    return this.#f32('affine', ok, a, [a], (calls, ctx) => calls.scale_bias(ctx, a.address, factor, bias));
  }

  /** Gradient of silu(x). */
  siluBack(gradient: Tensor, x: Tensor): Tensor {
    const ok = sameShape(gradient, x) && isContiguous(gradient) && isContiguous(x);
    return this.#f32('siluBack', ok, x, [gradient, x], (calls, ctx) =>
      calls.silu_back(ctx, gradient.address, x.address),
    );
  }

  /** Gradient of rmsNorm(x, epsilon). */
  rmsNormBack(gradient: Tensor, x: Tensor, epsilon: number): Tensor {
    return this.#f32('rmsNormBack', sameShape(gradient, x), x, [gradient, x], (calls, ctx) =>
      calls.rms_norm_back(ctx, gradient.address, x.address, epsilon),
    );
  }

  /** Gradient of softMax(x, mask, scale), from its result. */
  softMaxBack(gradient: Tensor, softmax: Tensor, scale: number): Tensor {
    const ok = sameShape(gradient, softmax) && isContiguous(gradient) && isContiguous(softmax);
    return this.#f32('softMaxBack', ok, softmax, [gradient, softmax], (calls, ctx) =>
      calls.soft_max_ext_back(ctx, gradient.address, softmax.address, scale, 0),
    );
  }

  /** Gradient of getRows(a, rows) in the shape of `a`: rows that were picked twice are summed. */
  getRowsBack(gradient: Tensor, rows: Tensor, a: Tensor): Tensor {
    const ok =
      gradient.type === TensorType.F32 &&
      rows.type === TensorType.I32 &&
      gradient.ne[0] === a.ne[0] &&
      gradient.ne[1] === rows.ne[0] &&
      gradient.ne[2] === 1 &&
      gradient.ne[3] === 1;
    const shape = { type: TensorType.F32, ne: [a.ne[0], a.ne[1], 1, 1] } as const;
    return this.node('getRowsBack', ok, [gradient, rows, a], shape, (calls, ctx) =>
      calls.get_rows_back(ctx, gradient.address, rows.address, a.address),
    );
  }

  /** Sums what a broadcast of `a` repeated, in the shape of `a`. */
  repeatBack(gradient: Tensor, a: Tensor): Tensor {
    const ok = a.ne.every((n, i) => (gradient.ne[i] ?? 1) % n === 0);
    return this.#f32('repeatBack', ok, a, [gradient, a], (calls, ctx) =>
      calls.repeat_back(ctx, gradient.address, a.address),
    );
  }

  /** Gradient of rope() with the same arguments: the rotation backwards. */
  ropeBack(gradient: Tensor, positions: Tensor, factors: Tensor | null, p: RopeOperation): Tensor {
    const ok = positions.type === TensorType.I32 && positions.ne[0] === gradient.ne[2] && p.dims <= gradient.ne[0];
    return this.#f32('ropeBack', ok, gradient, [gradient], (calls, ctx) =>
      calls.rope_ext_back(ctx, gradient.address, positions.address, factors?.address ?? null, ...ropeArguments(p)),
    );
  }

  /** Sum over rows of their outer products: [m, rows] x [n, rows] -> [m, n]. */
  outProd(a: Tensor, b: Tensor): Tensor {
    const ok = a.ne[1] === b.ne[1] && a.ne[2] === b.ne[2] && a.ne[3] === b.ne[3] && b.type === TensorType.F32;
    const shape = { type: TensorType.F32, ne: [a.ne[0], b.ne[0], a.ne[2], a.ne[3]] } as const;
    return this.node('outProd', ok && a.type === TensorType.F32, [a, b], shape, (calls, ctx) =>
      calls.out_prod(ctx, a.address, b.address),
    );
  }

  /** `a` with `b` added to a window of it; strides and offset in bytes. */
  accumulate(a: Tensor, b: Tensor, nb1: number, nb2: number, nb3: number, offset: number): Tensor {
    return this.#f32('accumulate', isContiguous(a) && offset >= 0, a, [a, b], (calls, ctx) =>
      calls.acc(ctx, a.address, b.address, nb1, nb2, nb3, offset),
    );
  }

  /** Index of the greatest value of each row: i32 [rows]. */
  argmax(a: Tensor): Tensor {
    const shape = { type: TensorType.I32, ne: [a.ne[1], 1, 1, 1] } as const;
    const ok = a.type === TensorType.F32 && a.ne[2] === 1 && a.ne[3] === 1;
    return this.node('argmax', ok, [a], shape, (calls, ctx) => calls.argmax(ctx, a.address));
  }

  /**
   * One step of AdamW in the memory of `a`, `m` and `v`.
   * @param settings f32 [7]: learning rate, β1, β2, ε, weight decay, 1/(1−β1^t), 1/(1−β2^t)
   */
  adamwStep(a: Tensor, gradient: Tensor, m: Tensor, v: Tensor, settings: Tensor): Tensor {
    const ok = [gradient, m, v].every((t) => sameShape(t, a) && isContiguous(t)) && settings.ne[0] === 7;
    return this.#f32('adamwStep', ok && isContiguous(a), a, [a, gradient, m, v, settings], (calls, ctx) => {
      calls.set_param(a.address);
      return calls.opt_step_adamw(ctx, a.address, gradient.address, m.address, v.address, settings.address);
    });
  }
}

function plain(t: Tensor) {
  return { type: t.type, ne: t.ne };
}
