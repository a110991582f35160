/**
 * Putting tensors side by side along one dimension.
 *
 * On the CPU parts are copied into one storage that all layers share: ggml's concat would copy pairs again and again,
 * and its results would each take memory. Devices reorder nodes by what they read from each other, which such a shared
 * storage hides from them, so there it is concat.
 */
import type { Backend } from '../../ggml/device/backend.ts';
import type { GraphContext } from '../../ggml/graph/graph-context.ts';
import type { Shape, Tensor } from '../../ggml/graph/tensor.ts';
import type { GraphInputs } from './graph-inputs.ts';

/** Joins f32 parts of equal shape but for dimension `dim`. The result is contiguous. */
export type Join = (parts: readonly Tensor[], dim: 0 | 1 | 2) => Tensor;

/** @param elements of the largest result; a result is valid until the next join with the same function */
export function joinFor(g: GraphContext, inputs: GraphInputs, backend: Backend, elements: number): Join {
  if (!backend.isCpu) return (parts, dim) => concatenateTree(g, parts, dim);
  const storage = inputs.storage(elements);
  return (parts, dim) => {
    const ne = joinedShape(parts, dim);
    const nb = [4, ne[0] * 4, ne[0] * ne[1] * 4, ne[0] * ne[1] * ne[2] * 4] as const;
    let offset = 0;
    for (const part of parts) {
      g.expand(g.copy(part, g.view(storage, part.ne, nb[1], nb[2], nb[3], offset)));
      offset += part.ne[dim] * nb[dim];
    }
    return g.view(storage, ne, nb[1], nb[2], nb[3], 0);
  };
}

function joinedShape(parts: readonly Tensor[], dim: 0 | 1 | 2): Shape {
  const first = parts[0]?.ne ?? [1, 1, 1, 1];
  const sum = parts.reduce((total, part) => total + part.ne[dim], 0);
  const ne: [number, number, number, number] = [first[0], first[1], first[2], first[3]];
  ne[dim] = sum;
  return ne;
}

function concatenateTree(g: GraphContext, parts: readonly Tensor[], dim: 0 | 1 | 2): Tensor {
  const [first, second] = parts;
  if (first === undefined) throw new RangeError('nothing to join');
  if (second === undefined) return g.contiguous(first);
  const middle = parts.length >> 1;
  return g.concat(concatenateTree(g, parts.slice(0, middle), dim), concatenateTree(g, parts.slice(middle), dim), dim);
}
