/** Whether a device computes what attention over gathered rows needs: asked of it before anything runs there. */
import { GraphContext } from '../../ggml/graph/graph-context.ts';
import { rowBytes, type Tensor, TensorType } from '../../ggml/graph/tensor.ts';
import type { AttentionParameters } from '../architecture/layer-attention.ts';
import type { KvLayout } from '../kv/kv-layout.ts';
import { rowElements, rowPadding, rowsRefusal, valuesInRows } from '../kv/row-states.ts';
import type { Model } from '../model.ts';

/** Head dimensions for which CUDA's flash attention has caps on scores; for others it stops the process. */
const cappedDims: readonly number[] = [128, 256, 512];
/** Numbers of queries that may be answered by different kernels. */
const queryCounts = [1, 64];

/** Why this path cannot be had; undefined where it can. */
export function gatheredRefusal(model: Model, layout: KvLayout): string | undefined {
  const { backend, hyperParameters } = model;
  if (layout.tails.length > 0) return 'short convolutions keep a state for each block, and rows are one for each token';
  const refused = rowsRefusal(layout);
  if (refused !== undefined) return refused;
  const g = new GraphContext(hyperParameters.layers * 64 + 64);
  try {
    for (const layer of hyperParameters.attention) {
      const { headDim, softcap } = layer;
      if (softcap !== 0 && backend.name.startsWith('CUDA') && !cappedDims.includes(headDim)) {
        return `${backend.name} has no flash attention with caps for heads of ${headDim} dimensions`;
      }
      const missing = operations(g, layer, layout).find(([, node]) => !backend.supports(node));
      if (missing) {
        const [what] = missing;
        return `${backend.name} has no ${what} for heads of ${headDim} dimensions with states in ${layout.type}`;
      }
    }
    return undefined;
  } finally {
    g.dispose();
  }
}

function operations(g: GraphContext, layer: AttentionParameters, layout: KvLayout): [string, Tensor][] {
  const { headDim, valueDim, valuesInKeys, heads, kvHeads, slot, rope } = layer;
  const { tensorType } = layout;
  const width = rowElements(layout, slot, 'keys');
  const one = g.tensor(TensorType.I32, 1);
  const rows = g.tensor(tensorType, width, rowPadding);
  const bits = g.tensor(TensorType.I32, rowBytes(tensorType, width) / 4, rowPadding);
  const written = g.setRows(rows, g.tensor(TensorType.F32, width, 1), g.tensor(TensorType.I64, 1));
  const found: [string, Tensor][] = [
    ['gathering of rows', g.getRows(bits, one)],
    ['writing of rows', written],
  ];
  if (tensorType !== TensorType.Q8_0 && rope !== undefined) {
    const keys = g.tensor(tensorType, headDim, kvHeads, 1);
    found.push(['rotary embedding in place', g.ropeInPlace(keys, one, null, rope)]);
  }
  for (const queries of queryCounts) {
    const rowsOf = (dims: number) => g.tensor(tensorType, dims * kvHeads, rowPadding);
    const byHead = (all: Tensor, dims: number) => {
      const head = all.nb[1] / kvHeads;
      return g.view(all, [dims, rowPadding, kvHeads, 1], all.nb[1], head, all.nb[1] * rowPadding, 0);
    };
    const keys = rowsOf(headDim);
    const values = valuesInKeys ? valuesInRows(g, keys, valueDim) : rowsOf(valueDim);
    const q = g.permute(g.tensor(TensorType.F32, headDim, heads, queries), 0, 2, 1, 3);
    const mask = g.tensor(TensorType.F16, rowPadding, queries);
    found.push([
      'flash attention',
      g.flashAttention(q, byHead(keys, headDim), byHead(values, valueDim), mask, layer.scale, {
        softcap: layer.softcap,
      }),
    ]);
  }
  return found;
}
