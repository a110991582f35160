/**
 * What every compute graph has: its memory, tensors, and nodes that say which elements there are where, not what becomes
 * of them. Shapes are checked before a node is made, because a failed assertion inside ggml ends the process.
 */
import { BlockAttentionError } from '../../errors.ts';
import { type Bindings, bindings } from '../ffi/bindings.ts';
import { contiguousStrides, elementCount, rowBytes, type Shape, type Tensor, TensorType, typeName } from './tensor.ts';

export class GraphBase {
  protected readonly ggml: Bindings;
  /** ggml's context, for calls that take one. */
  readonly address: bigint;
  readonly #graph: bigint;
  readonly #capacity: number;
  #nodes = 0;
  #disposed = false;

  /** @param capacity upper bound of tensors, views included. */
  constructor(capacity: number) {
    this.ggml = bindings();
    this.#capacity = capacity;
    const bytes =
      Number(this.ggml.tensor_overhead()) * (capacity + 16) + Number(this.ggml.graph_overhead_custom(capacity, false));
    const ctx = this.ggml.init({ mem_size: bytes, mem_buffer: null, no_alloc: true });
    if (ctx === null) throw new BlockAttentionError('MODEL_TOO_LARGE', `cannot allocate ${bytes} bytes for a graph`);
    this.address = ctx;
    this.#graph = this.ggml.new_graph_custom(ctx, capacity, false);
  }

  /** ggml's graph, for calls that take one. @throws COMPUTE_FAILED once disposed: its memory is given back by then */
  get graph(): bigint {
    if (this.#disposed) throw new BlockAttentionError('COMPUTE_FAILED', 'the graph is disposed: build another one');
    return this.#graph;
  }

  get nodes(): number {
    return this.#nodes;
  }

  protected wrap(address: bigint, type: TensorType, ne: Shape, nb?: Shape): Tensor {
    return { address, type, ne, nb: nb ?? contiguousStrides(type, ne) };
  }

  /** Every node passes here before it is made. */
  protected reserve(ok: boolean, operation: string, ...operands: Tensor[]): void {
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
    this.reserve(ok, operation, ...operands);
    return this.wrap(build(this.ggml, this.address), shape.type, shape.ne, shape.nb);
  }

  tensor(type: TensorType, ne0: number, ne1 = 1, ne2 = 1, ne3 = 1): Tensor {
    this.reserve(ne0 > 0 && ne1 > 0 && ne2 > 0 && ne3 > 0, `tensor [${ne0},${ne1},${ne2},${ne3}]`);
    return this.wrap(this.ggml.new_tensor_4d(this.address, type, ne0, ne1, ne2, ne3), type, [ne0, ne1, ne2, ne3]);
  }

  /** A tensor whose data the caller sets before computing. */
  input(type: TensorType, ne0: number, ne1 = 1, ne2 = 1, ne3 = 1): Tensor {
    const t = this.tensor(type, ne0, ne1, ne2, ne3);
    this.ggml.set_input(t.address);
    return t;
  }

  /** Keeps a node's data readable after computing, and adds it to the graph. */
  output(t: Tensor): Tensor {
    this.ggml.set_output(t.address);
    return this.expand(t);
  }

  /** Adds a node and all it depends on to the graph, in that order. */
  expand(t: Tensor): Tensor {
    this.ggml.build_forward_expand(this.#graph, t.address);
    return t;
  }

  /** A window on `a`; strides and offset in bytes. */
  view(a: Tensor, ne: Shape, nb1: number, nb2: number, nb3: number, offset: number): Tensor {
    this.reserve(offset >= 0 && ne.every((n) => n > 0), 'view', a);
    const address = this.ggml.view_4d(this.address, a.address, ne[0], ne[1], ne[2], ne[3], nb1, nb2, nb3, offset);
    return this.wrap(address, a.type, ne, [a.nb[0], nb1, nb2, nb3]);
  }

  reshape(a: Tensor, ne0: number, ne1 = 1, ne2 = 1, ne3 = 1): Tensor {
    const ne: Shape = [ne0, ne1, ne2, ne3];
    this.reserve(isContiguous(a) && elementCount(ne) === elementCount(a.ne), `reshape to [${ne.join(',')}]`, a);
    return this.wrap(this.ggml.reshape_4d(this.address, a.address, ne0, ne1, ne2, ne3), a.type, ne);
  }

  /** Dimension i of `a` becomes dimension axes[i]. No copy. */
  permute(a: Tensor, x: number, y: number, z: number, w: number): Tensor {
    const axes = [x, y, z, w];
    this.reserve(new Set(axes).size === 4 && axes.every((i) => i >= 0 && i < 4), `permute ${axes.join(',')}`, a);
    const ne: [number, number, number, number] = [0, 0, 0, 0];
    const nb: [number, number, number, number] = [0, 0, 0, 0];
    axes.forEach((to, from) => {
      ne[to] = a.ne[from] ?? 0;
      nb[to] = a.nb[from] ?? 0;
    });
    return this.wrap(this.ggml.permute(this.address, a.address, x, y, z, w), a.type, ne, nb);
  }

  cont(a: Tensor): Tensor {
    this.reserve(true, 'cont', a);
    return this.wrap(this.ggml.cont(this.address, a.address), a.type, a.ne);
  }

  /** `a` itself when its elements lie one after the other, else a copy for which that holds. */
  contiguous(a: Tensor): Tensor {
    return isContiguous(a) ? a : this.cont(a);
  }

  /** Copies (and converts) `a` into the storage of `b`, element by element in order. */
  copy(a: Tensor, b: Tensor): Tensor {
    this.reserve(elementCount(a.ne) === elementCount(b.ne), 'copy', a, b);
    return this.wrap(this.ggml.cpy(this.address, a.address, b.address), b.type, b.ne, b.nb);
  }

  /** Zeros after the end of dimensions 0 and 1. f32 only. */
  pad(a: Tensor, p0: number, p1 = 0): Tensor {
    this.reserve(a.type === TensorType.F32 && p0 >= 0 && p1 >= 0, 'pad', a);
    const ne: Shape = [a.ne[0] + p0, a.ne[1] + p1, a.ne[2], a.ne[3]];
    return this.wrap(this.ggml.pad(this.address, a.address, p0, p1, 0, 0), a.type, ne);
  }

  repeat(a: Tensor, ne0: number, ne1: number, ne2: number, ne3 = 1): Tensor {
    const ne: Shape = [ne0, ne1, ne2, ne3];
    this.reserve(
      ne.every((n, i) => n % (a.ne[i] ?? 1) === 0),
      `repeat to [${ne.join(',')}]`,
      a,
    );
    return this.wrap(this.ggml.repeat_4d(this.address, a.address, ne0, ne1, ne2, ne3), a.type, ne);
  }

  /** `a` followed by `b` along dimension `dim`. */
  concat(a: Tensor, b: Tensor, dim: 0 | 1 | 2): Tensor {
    this.reserve(a.type === b.type && a.ne.every((n, i) => i === dim || n === b.ne[i]), `concat along ${dim}`, a, b);
    const ne: [number, number, number, number] = [a.ne[0], a.ne[1], a.ne[2], a.ne[3]];
    ne[dim] += b.ne[dim];
    return this.wrap(this.ggml.concat(this.address, a.address, b.address, dim), a.type, ne);
  }

  dispose(): void {
    if (this.#disposed) return;
    this.#disposed = true;
    this.ggml.free(this.address);
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

export function rowsContiguous(...tensors: Tensor[]): boolean {
  return tensors.every((t) => t.nb[0] === rowBytes(t.type, t.ne[0]) / t.ne[0]);
}

export function sameShape(a: Tensor, b: Tensor): boolean {
  return a.ne.every((n, i) => n === b.ne[i]);
}

/** Whether `b` can be repeated to the shape of `a`. */
export function broadcasts(b: Tensor, a: Tensor): boolean {
  return a.ne.every((n, i) => n % (b.ne[i] ?? 1) === 0);
}
