/**
 * A graph that remembers how to differentiate itself: every operation of the forward pass also records its gradient,
 * and `backward()` appends those to the same graph, last operation first.
 *
 * Own reverse pass rather than ggml's: its products are faster, frozen weights cost nothing, and no operation goes
 * without a gradient. Knows no model. Shapes are ggml's, innermost first.
 */
import { BlockAttentionError } from '../../errors.ts';
import { GradientGraph } from '../../ggml/graph/gradient-graph.ts';
import { isContiguous, type RopeOperation } from '../../ggml/graph/graph-context.ts';
import { elementCount, type Shape, type Tensor, TensorType } from '../../ggml/graph/tensor.ts';
import { type NativeNode, Product, type TrainingKernel } from '../../ggml/native/training-kernel.ts';

type Backward = (gradient: Tensor) => void;

interface Recorded {
  readonly output: Tensor;
  readonly inputs: readonly Tensor[];
  readonly backward: Backward;
}

export class Tape extends GradientGraph {
  readonly #ops: Recorded[] = [];
  /** Tensors whose gradient is wanted, by address: parameters and whatever depends on them. */
  readonly #wanted = new Set<bigint>();
  readonly #gradients = new Map<bigint, Tensor>();
  /** Where a parameter's gradient is added to. */
  readonly #sinks = new Map<bigint, { readonly sink: Tensor; readonly factor: number }>();
  /** Recorded uses of each parameter whose gradients have not come yet. */
  readonly #pending = new Map<bigint, number>();
  /** Transposed copies of frozen matrices that the caller keeps, by address of the matrix. */
  readonly #transposed = new Map<bigint, Tensor>();
  #recording = true;
  readonly #kernel: TrainingKernel | undefined;
  readonly #rounded: boolean;

  /**
   * @param capacity upper bound of tensors
   * @param kernel native nodes to use; CPU only. Defaults to none
   * @param rounded whether they may round matrices of less than 32 bits, and what meets those, to bf16. Defaults to false
   */
  constructor(capacity: number, kernel?: TrainingKernel, rounded = false) {
    super(capacity);
    this.#kernel = kernel;
    this.#rounded = rounded;
  }

  /** Asks for the gradient of `parameter` f32, to be added, times `factor`, to `sink` of the same shape. */
  parameter(parameter: Tensor, sink: Tensor, factor = 1): void {
    this.#wanted.add(parameter.address);
    this.#sinks.set(parameter.address, { sink, factor });
    this.#pending.set(parameter.address, 0);
  }

  /** Gives a frozen matrix [in, out] a stored transpose [out, in], which its gradients are multiplied with. */
  transposeOf(matrix: Tensor, transposed: Tensor): void {
    this.#transposed.set(matrix.address, transposed);
  }

  /** Whether anything that needs a gradient goes into `t`. */
  needs(t: Tensor): boolean {
    return this.#wanted.has(t.address);
  }

  /** Records a result with its gradient rule, for operations made of several. @returns the result */
  record(output: Tensor, inputs: readonly Tensor[], backward: Backward): Tensor {
    if (!this.#recording || !inputs.some((input) => this.needs(input))) return output;
    this.#wanted.add(output.address);
    this.#ops.push({ output, inputs, backward });
    for (const { address } of inputs) {
      const count = this.#pending.get(address);
      if (count !== undefined) this.#pending.set(address, count + 1);
    }
    return output;
  }

  /** Runs `build` without recording: for the pieces of an operation that records itself as a whole. */
  silently<T>(build: () => T): T {
    const before = this.#recording;
    this.#recording = false;
    try {
      return build();
    } finally {
      this.#recording = before;
    }
  }

  /** Adds to the gradient of `t`. Ignored where none is wanted. */
  give(t: Tensor, gradient: Tensor): void {
    if (!this.needs(t)) return;
    const sum = this.#gradients.get(t.address);
    this.#gradients.set(t.address, sum === undefined ? gradient : super.add(sum, gradient));
  }

  /** Appends the backward pass, from the gradient of `output`. Every parameter's gradient ends up in its sink. */
  backward(output: Tensor, gradient: Tensor): void {
    this.#recording = false;
    this.give(output, gradient);
    for (const op of this.#ops.splice(0).reverse()) {
      const { address } = op.output;
      const arrived = this.#gradients.get(address);
      if (arrived !== undefined) op.backward(arrived);
      this.#gradients.delete(address);
      for (const input of op.inputs) this.#finish(input);
    }
  }

  /** Adds a parameter's gradient to its sink once all its uses have given theirs, so that it is freed early. */
  #finish(input: Tensor): void {
    const left = this.#pending.get(input.address);
    if (left === undefined) return;
    this.#pending.set(input.address, left - 1);
    if (left > 1) return;
    const gradient = this.#gradients.get(input.address);
    const into = this.#sinks.get(input.address);
    this.#gradients.delete(input.address);
    if (gradient === undefined || into === undefined) return;
    const scaled = into.factor === 1 ? gradient : super.scale(gradient, into.factor);
    this.expand(this.addInPlace(into.sink, scaled));
  }

  // ---- operations of the forward pass, each with its gradient

  override mulMat(a: Tensor, b: Tensor): Tensor {
    const native = this.#nativeProduct(a, b);
    if (native !== undefined) return native;
    const y = super.mulMat(a, b);
    if (!this.#recording || !(this.needs(a) || this.needs(b))) return y;
    if (a.ne[2] !== b.ne[2] || a.ne[3] !== b.ne[3]) {
      throw new BlockAttentionError('COMPUTE_FAILED', 'a product that broadcasts has no gradient here');
    }
    return this.record(y, [a, b], (g) => {
      if (this.needs(a)) this.give(a, this.#outerSum(b, g));
      if (this.needs(b)) this.give(b, super.mulMat(this.#transposed.get(a.address) ?? this.transposed(a), g));
    });
  }

  /** The product and its gradients by the native nodes: no copy is transposed, quantised weights need none either. */
  #nativeProduct(a: Tensor, b: Tensor): Tensor | undefined {
    const kernel = this.#kernel;
    const flat = [a, b].every(({ ne }) => ne[2] === 1 && ne[3] === 1);
    if (kernel === undefined || !flat || b.type !== TensorType.F32 || b.nb[0] !== 4 || a.ne[0] !== b.ne[0]) {
      return undefined;
    }
    const [inputs, outputs] = a.ne;
    const rows = b.ne[1];
    const rounded = this.#rounded && a.type !== TensorType.F32;
    const forward = kernel.product(Product.forward, a.type, rounded);
    const toInput = kernel.product(Product.backToInput, a.type, rounded);
    const toWeights = kernel.product(Product.backToWeights, TensorType.F32);
    if (forward === undefined || toInput === undefined || toWeights === undefined) return undefined;
    const run = (ne0: number, ne1: number, sources: readonly Tensor[], { fun, userdata }: NativeNode) =>
      this.custom([ne0, ne1, 1, 1], sources, fun, userdata);
    return this.record(run(outputs, rows, [a, b], forward), [a, b], (g) => {
      if (this.needs(a)) this.give(a, run(inputs, outputs, [b, g], toWeights));
      if (this.needs(b)) this.give(b, run(inputs, rows, [a, g], toInput));
    });
  }

  /** Sum over rows of b gᵀ: [k, rows], [m, rows] -> [k, m]; thin results without transposing what is long. */
  #outerSum(b: Tensor, g: Tensor): Tensor {
    if (g.ne[0] <= thin) return this.outProd(b, g);
    if (b.ne[0] <= thin) return this.transposed(this.outProd(g, b));
    return super.mulMat(this.transposed(b), this.transposed(g));
  }

  /** Rows and columns exchanged, as a copy. */
  transposed(a: Tensor): Tensor {
    return super.cont(super.permute(a, 1, 0, 2, 3));
  }

  override add(a: Tensor, b: Tensor): Tensor {
    return this.record(super.add(a, b), [a, b], (g) => {
      this.give(a, g);
      if (this.needs(b)) this.give(b, this.#unbroadcast(g, b));
    });
  }

  override mul(a: Tensor, b: Tensor): Tensor {
    return this.record(super.mul(a, b), [a, b], (g) => {
      if (this.needs(a)) this.give(a, super.mul(g, b));
      if (this.needs(b)) this.give(b, this.#unbroadcast(super.mul(g, a), b));
    });
  }

  #unbroadcast(gradient: Tensor, b: Tensor): Tensor {
    return elementCount(gradient.ne) === elementCount(b.ne) ? gradient : this.repeatBack(gradient, b);
  }

  override scale(a: Tensor, factor: number): Tensor {
    return this.record(super.scale(a, factor), [a], (g) => this.give(a, super.scale(g, factor)));
  }

  override tanh(a: Tensor): Tensor {
    const y = super.tanh(a);
    return this.record(y, [a], (g) => this.give(a, this.sub(g, super.mul(g, this.square(y)))));
  }

  override rmsNorm(a: Tensor, epsilon: number): Tensor {
    return this.record(super.rmsNorm(a, epsilon), [a], (g) => this.give(a, this.rmsNormBack(g, a, epsilon)));
  }

  override getRows(a: Tensor, rows: Tensor): Tensor {
    return this.record(super.getRows(a, rows), [a], (g) => this.give(a, this.getRowsBack(g, rows, a)));
  }

  override swiglu(gate: Tensor, up: Tensor): Tensor {
    return this.record(super.swiglu(gate, up), [gate, up], (g) => {
      const x = this.#whole(gate);
      if (this.needs(gate)) this.give(gate, this.siluBack(super.mul(g, up), x));
      if (this.needs(up)) this.give(up, super.mul(g, this.silu(x)));
    });
  }

  override geglu(gate: Tensor, up: Tensor): Tensor {
    return this.record(super.geglu(gate, up), [gate, up], (g) => {
      // gelu(x) = x (1 + t) / 2 with t = tanh(s), s = c (x + 0.044715 x^3).
      const square = this.square(gate);
      const s = super.mul(gate, this.affine(square, 0.044715 * geluSlope, geluSlope));
      const t = super.tanh(s);
      const half = this.affine(t, 0.5, 0.5);
      const slope = this.affine(square, 3 * 0.044715 * geluSlope, geluSlope);
      const bend = super.mul(super.mul(gate, this.affine(this.square(t), -0.5, 0.5)), slope);
      if (this.needs(gate)) this.give(gate, super.mul(super.mul(g, up), super.add(half, bend)));
      if (this.needs(up)) this.give(up, super.mul(g, super.mul(gate, half)));
    });
  }

  override rope(a: Tensor, positions: Tensor, factors: Tensor | null, p: RopeOperation): Tensor {
    return this.record(super.rope(a, positions, factors, p), [a], (g) =>
      this.give(a, this.ropeBack(g, positions, factors, p)),
    );
  }

  override softMax(a: Tensor, mask: Tensor | null, scale: number): Tensor {
    // The result lies where `a` lay, and must not be overwritten while its gradient is computed. A view of another
    // tensor is kept by keeping that one: the caller's part.
    const y = super.softMax(this.keep(a), mask, scale);
    return this.record(y, [a], (g) => this.give(a, this.softMaxBack(g, y, scale)));
  }

  override reshape(a: Tensor, ne0: number, ne1 = 1, ne2 = 1, ne3 = 1): Tensor {
    return this.record(super.reshape(a, ne0, ne1, ne2, ne3), [a], (g) =>
      this.give(a, super.reshape(this.#whole(g), ...a.ne)),
    );
  }

  override permute(a: Tensor, x: number, y: number, z: number, w: number): Tensor {
    return this.record(super.permute(a, x, y, z, w), [a], (g) => {
      const back = [0, 0, 0, 0];
      [x, y, z, w].forEach((to, from) => {
        back[to] = from;
      });
      const [b0 = 0, b1 = 1, b2 = 2, b3 = 3] = back;
      this.give(a, super.cont(super.permute(g, b0, b1, b2, b3)));
    });
  }

  override cont(a: Tensor): Tensor {
    return this.record(super.cont(a), [a], (g) => this.give(a, g));
  }

  /** Gradient only for windows on a contiguous f32 tensor. */
  override view(a: Tensor, ne: Shape, nb1: number, nb2: number, nb3: number, offset: number): Tensor {
    return this.record(super.view(a, ne, nb1, nb2, nb3, offset), [a], (g) => {
      const zeros = super.scale(a, 0);
      this.give(a, this.accumulate(zeros, this.#whole(g), nb1, nb2, nb3, offset));
    });
  }

  #whole(a: Tensor): Tensor {
    return isContiguous(a) ? a : super.cont(a);
  }

  override concat(): Tensor {
    throw new BlockAttentionError('COMPUTE_FAILED', 'concat has no gradient here');
  }
}

/** Widths up to which a sum of outer products beats a product of transposed copies. */
const thin = 64;
const geluSlope = Math.sqrt(2 / Math.PI);
