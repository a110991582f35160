/**
 * Linear layers of many rows by the native kernel (native/src/block_linear.h): two graph nodes in place of ggml's one.
 *
 * Weights stay where the file is mapped and are unpacked a tile at a time, which many rows share; so nothing is prepared
 * at load and no copy is kept. For prompts: which path a row takes must not depend on how many others are in its batch,
 * so that a block's bytes don't either. Decoding, a row or a few at a time, is left to ggml. CPU only.
 */
import type { GraphContext } from '../../ggml/graph/graph-context.ts';
import { type Tensor, TensorType } from '../../ggml/graph/tensor.ts';
import type { NativeKernel } from '../../ggml/native/native-kernel.ts';

/** y = weight x for the weights and shapes it takes; undefined for others. */
export type LinearPath = (weight: Tensor, x: Tensor) => Tensor | undefined;

const { Q4_0, Q4_1, Q5_0, Q5_1, Q4_K, Q5_K } = TensorType;
/**
 * One type of those whose packed rows are the same, for the others. Q8_0 and Q6_K are packed by themselves: with VNNI,
 * whose weights have no sign, a row's sums hold what the type's weights are shifted by.
 */
const sameForm = new Map<TensorType, TensorType>([
  [Q5_0, Q4_0],
  [Q5_1, Q4_1],
  [Q5_K, Q4_K],
]);

/**
 * The native path for one graph. Rows that meet several weights (q, k and v; gate and up) are packed once.
 * @param takes which weights. Defaults to all that it can
 */
export function nativeLinear(
  kernel: NativeKernel,
  g: GraphContext,
  takes: (weight: Tensor) => boolean = () => true,
): LinearPath {
  const packed = new Map<Tensor, Map<TensorType, Tensor>>();
  return (weight, x) => {
    const { type } = weight;
    const [inputs, outputs] = weight.ne;
    const rows = x.ne[1];
    if (x.ne[2] !== 1 || x.nb[0] !== 4 || !takes(weight)) return undefined;
    const bytes = kernel.linear.packedBytes(type, inputs, outputs, rows);
    if (bytes < 0) return undefined;
    const form = sameForm.get(type) ?? type;
    const forms = packed.get(x) ?? new Map<TensorType, Tensor>();
    let xs = forms.get(form);
    if (xs === undefined) {
      xs = g.custom([bytes / 4, 1, 1, 1], [x], kernel.linear.pack, BigInt(type));
      packed.set(x, forms.set(form, xs));
    }
    return g.custom([outputs, rows, 1, 1], [xs, weight], kernel.linear.multiply, 0n);
  };
}
