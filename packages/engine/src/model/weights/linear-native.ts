/**
 * Linear layers, experts' too, and the low-rank products of adapters by the native kernel (native/src/block_linear.h): two
 * graph nodes in place of ggml's one; for one row that is decoded, where the CPU has instructions for it, one node in place
 * of several.
 *
 * Weights stay where the file is mapped and are unpacked a tile at a time, which the rows share; so nothing is prepared
 * at load and no copy is kept. For prompts, where the path that a row takes must not depend on how many others are in its
 * batch, so that a block's bytes don't either; and for tokens that are decoded, where that is faster. CPU only.
 */
import type { GraphContext } from '../../ggml/graph/graph-context.ts';
import { type Tensor, TensorType } from '../../ggml/graph/tensor.ts';
import type { NativeKernel } from '../../ggml/native/native-kernel.ts';
import type { DecodedRows } from './linear-choice.ts';

/** Products of one graph, undefined for weights and shapes that are left to ggml. */
export interface LinearPath {
  /** y = weight x. */
  matrix(weight: Tensor, x: Tensor): Tensor | undefined;
  /** The same of several weights at once, where that is one step: y of each. */
  matrices?(weights: readonly Tensor[], x: Tensor): Tensor[] | undefined;
  /** The products of several low-rank changes' first matrices with the same rows. @param a [inputs, rank] */
  lows?(a: readonly Tensor[], x: Tensor): Tensor[] | undefined;
  /** y + B low, for the low-rank change of a map. @param low [rank, rows] @param b [rank, outputs] */
  addLowRank?(y: Tensor, low: Tensor, b: Tensor): Tensor | undefined;
  /**
   * Each row times the matrices that were chosen for it: GraphContext.mulMatId().
   * @param weight [inputs, outputs, experts]
   * @param x [inputs, 1 or chosen per token, tokens]
   * @param chosen i32 [chosen per token, tokens]
   */
  experts(weight: Tensor, x: Tensor, chosen: Tensor): Tensor | undefined;
}

const { Q4_0, Q4_1, Q5_0, Q5_1, Q4_K, Q5_K, MXFP4 } = TensorType;
/**
 * One type of those whose packed rows are the same, for the others. Q8_0 and Q6_K are packed by themselves: with VNNI,
 * whose weights have no sign, a row's sums hold what the type's weights are shifted by.
 */
const sameForm = new Map<TensorType, TensorType>([
  [Q5_0, Q4_0],
  [Q5_1, Q4_1],
  [Q5_K, Q4_K],
  [MXFP4, Q4_0],
]);

export interface NativeLinearOptions {
  readonly takes?: ((weight: Tensor) => boolean) | undefined;
  readonly decodes?: boolean | undefined;
}

/**
 * The native path for one graph. Rows that meet several weights (q, k and v; gate and up) are packed once. One row that is
 * decoded meets them in one node, where the CPU has instructions for it.
 * @param options `takes`: which weights, by default all that it can; `decodes`: the graph decodes tokens, whose sums may be
 *   in another order than a prompt's. Defaults to no
 */
export function nativeLinear(
  kernel: NativeKernel,
  g: GraphContext,
  { takes = () => true, decodes = false }: NativeLinearOptions = {},
): LinearPath {
  const packed = new Map<string, Tensor>();
  const once = (key: string, make: () => Tensor) => {
    const known = packed.get(key) ?? make();
    packed.set(key, known);
    return known;
  };
  const { linear } = kernel;
  /** All weights' outputs, one behind the other, of the one row of a graph that decodes. */
  const oneRow = (weights: readonly Tensor[], x: Tensor) => {
    if (!decodes || x.ne[1] !== 1 || x.ne[2] !== 1 || x.nb[0] !== 4) return undefined;
    const fits = ({ type, ne }: Tensor) => linear.oneRow.takes(type, ne[0], ne[1]);
    if (!weights.every((weight) => takes(weight) && fits(weight))) return undefined;
    const outputs = weights.reduce((sum, { ne }) => sum + ne[1], 0);
    return g.custom([outputs, 1, 1, 1], [x, ...weights], linear.oneRow.multiply, 0n);
  };
  /** Parts of outputs that lie one behind the other in each row. */
  const partsOf = (all: Tensor, weights: readonly Tensor[]) => {
    let at = 0;
    return weights.map(({ ne: [, outputs] }) => {
      const own = g.view(all, [outputs, all.ne[1], 1, 1], all.nb[1], all.nb[2], all.nb[3], at);
      at += outputs * 4;
      return own;
    });
  };
  const areFloats = (tensors: readonly Tensor[]) =>
    tensors.every(({ type, nb, ne }) => type === TensorType.F32 && nb[0] === 4 && ne[2] === 1);
  return {
    matrices: (weights, x) => {
      const all = oneRow(weights, x);
      return all && partsOf(all, weights);
    },
    lows: (a, x) => {
      // One row that is decoded has its products with the others' (above), or by ggml: turning the matrices takes longer.
      if ((decodes && x.ne[1] === 1) || a.length === 0 || !areFloats([x, ...a])) return undefined;
      const outputs = a.reduce((sum, { ne }) => sum + ne[1], 0);
      return partsOf(g.custom([outputs, x.ne[1], 1, 1], [x, ...a], linear.lowRank.multiply, 0n), a);
    },
    addLowRank: (y, low, b) => {
      if (!areFloats([y, low, b])) return undefined;
      return g.custom([y.ne[0], y.ne[1], 1, 1], [y, low, b], linear.lowRank.add, decodes && y.ne[1] === 1 ? 1n : 0n);
    },
    matrix: (weight, x) => {
      const { type } = weight;
      const [inputs, outputs] = weight.ne;
      const rows = x.ne[1];
      if (x.ne[2] !== 1 || x.nb[0] !== 4 || !takes(weight)) return undefined;
      const own = oneRow([weight], x);
      if (own !== undefined) return own;
      const bytes = linear.packedBytes(type, inputs, outputs, rows);
      if (bytes < 0) return undefined;
      const xs = once(`${x.address} ${formOf(type)}`, () =>
        g.custom([bytes / 4, 1, 1, 1], [x], linear.pack, BigInt(type)),
      );
      return g.custom([outputs, rows, 1, 1], [xs, weight], linear.multiply, 0n);
    },
    experts: (weight, x, chosen) => {
      const { type } = weight;
      const [inputs, outputs, experts] = weight.ne;
      const [used, tokens] = chosen.ne;
      if (x.nb[0] !== 4 || chosen.nb[0] !== 4 || !takes(weight)) return undefined;
      const calls = linear.experts;
      const bytes = calls.packedBytes({ type, inputs, outputs, experts, used, tokens, rows: x.ne[1] });
      if (bytes < 0) return undefined;
      const xs = once(`${x.address} ${formOf(type)} ${chosen.address} ${experts}`, () =>
        g.custom([bytes / 4, 1, 1, 1], [x, chosen, weight], calls.pack, 0n),
      );
      return g.custom([outputs, used, tokens, 1], [xs, weight], calls.multiply, 0n);
    },
  };
}

/**
 * Whether decoded tokens may meet such weights here: quantised ones, of no experts, and one row f32 ones. Of others ggml's
 * products of few rows are faster.
 */
export function decodesWith(
  { linear }: NativeKernel,
  { type, ne }: Pick<Tensor, 'type' | 'ne'>,
  rows: DecodedRows,
): boolean {
  if (ne[2] !== 1) return false;
  return !floats.has(type) || (rows === 'one' && linear.oneRow.takes(type, ne[0], ne[1]));
}

const floats = new Set<TensorType>([TensorType.F32, TensorType.F16, TensorType.BF16]);

const formOf = (type: TensorType) => sameForm.get(type) ?? type;
