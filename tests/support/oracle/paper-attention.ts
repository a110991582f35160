/**
 * The paper's own position re-encoding, slow and obvious: stored keys are dequantised, rotated to their place in the
 * prompt in float64, and concatenated with the final block's; then ordinary causal attention. The reference that
 * separates an error of position re-encoding from the rounding of stored states. Convolutions go on from the last block's
 * stored inputs.
 */
import type { GraphContext } from '../../../packages/engine/src/ggml/graph/graph-context.ts';
import { dequantize } from '../../../packages/engine/src/ggml/graph/quantize.ts';
import { type Tensor, TensorType } from '../../../packages/engine/src/ggml/graph/tensor.ts';
import { type LayerAttention, windowsOf } from '../../../packages/engine/src/model/architecture/layer-attention.ts';
import { QueryTemperature } from '../../../packages/engine/src/model/architecture/query-temperature.ts';
import { angularFrequencies, rotation } from '../../../packages/engine/src/model/architecture/rope.ts';
import type { LayerConvolution } from '../../../packages/engine/src/model/architecture/short-convolution.ts';
import {
  attentionWeights,
  byHead,
  mergeHeads,
  PromptStates,
  rotate,
  rotateQuery,
} from '../../../packages/engine/src/model/attention/attention-heads.ts';
import { PromptConvolution } from '../../../packages/engine/src/model/attention/prompt-convolution.ts';
import type { Attention } from '../../../packages/engine/src/model/graph/forward.ts';
import type { GraphInputs } from '../../../packages/engine/src/model/graph/graph-inputs.ts';
import { runOnce } from '../../../packages/engine/src/model/graph/graph-run.ts';
import { causalMask } from '../../../packages/engine/src/model/graph/mask.ts';
import type { KvLayout } from '../../../packages/engine/src/model/kv/kv-layout.ts';
import type { Model } from '../../../packages/engine/src/model/model.ts';
import type { EncodedBlock, ForwardHarness } from './forward-harness.ts';

/** All blocks' keys and values of one layer: [head][token][dim], f32, keys rotated to their prompt positions. */
function concatenated(model: Model, layout: KvLayout, blocks: readonly EncodedBlock[], layer: LayerAttention) {
  const { headDim, valueDim, valuesInKeys, kvHeads } = layer;
  const total = blocks.reduce((sum, block) => sum + block.tokens.length, 0);
  const keys = new Float32Array(kvHeads * total * headDim);
  const values = new Float32Array(kvHeads * total * valueDim);
  const { rope, slot } = layer;
  const frequencies = rope && angularFrequencies(rope, ropeFactors(model, layer));
  let start = 0;
  for (const { tokens, memory } of blocks) {
    const n = tokens.length;
    const padded = layout.padded(n);
    const read = (offset: number, size: number, dims: number) =>
      dequantize(layout.tensorType, memory.bytes.subarray(offset, offset + size), kvHeads * padded * dims);
    const k = read(layout.keyOffset(slot, n), layout.keyArrayBytes(slot, n), headDim);
    const v = valuesInKeys ? undefined : read(layout.valueOffset(slot, n), layout.valueArrayBytes(slot, n), valueDim);
    const turn = frequencies && rotation(frequencies, start);
    for (let head = 0; head < kvHeads; head++) {
      for (let token = 0; token < n; token++) {
        const row = k.slice((head * padded + token) * headDim, (head * padded + token + 1) * headDim);
        if (rope && turn) rotateRow(row, turn.cos, turn.sin, rope.mode);
        keys.set(row, (head * total + start + token) * headDim);
        for (let dim = 0; dim < valueDim; dim++) {
          const value = v === undefined ? row[headDim - valueDim + dim] : v[(head * valueDim + dim) * padded + token];
          values[(head * total + start + token) * valueDim + dim] = value ?? 0;
        }
      }
    }
    start += n;
  }
  return { keys, values, total };
}

/** Inputs of a convolution that the last block has stored, f32 [tokens][channels]; zeros without a block. */
function storedTail(layout: KvLayout, blocks: readonly EncodedBlock[], { tail, taps, channels }: LayerConvolution) {
  const values = new Float32Array((taps - 1) * channels);
  const last = blocks.at(-1);
  if (last === undefined) return values;
  const { bytes } = last.memory;
  const at = bytes.byteOffset + layout.tailOffset(tail, last.tokens.length);
  values.set(new Float32Array(bytes.buffer, at, values.length));
  return values;
}

function rotateRow(row: Float32Array, cos: Float32Array, sin: Float32Array, mode: 0 | 2): void {
  for (let i = 0; i < cos.length; i++) {
    const [a, b] = mode === 0 ? [2 * i, 2 * i + 1] : [i, i + cos.length];
    const x = row[a] ?? 0;
    const y = row[b] ?? 0;
    row[a] = x * (cos[i] ?? 1) - y * (sin[i] ?? 0);
    row[b] = x * (sin[i] ?? 0) + y * (cos[i] ?? 1);
  }
}

function ropeFactors(model: Model, { ropeFactors: tensor }: LayerAttention): Float32Array | undefined {
  if (tensor === undefined) return undefined;
  const values = new Float32Array(tensor.ne[0]);
  model.backend.read(tensor, values);
  return values;
}

/** Logits of the final block's last token. */
export async function paperForward(
  harness: ForwardHarness,
  blocks: readonly EncodedBlock[],
  final: Int32Array,
): Promise<Float32Array> {
  const { model, layout, allocator } = harness;
  const hp = model.hyperParameters;
  const context = blocks.reduce((sum, block) => sum + block.tokens.length, 0);
  const build = (g: GraphContext, inputs: GraphInputs): Attention => {
    const positions = inputs.integers(final.length, () => Int32Array.from(final, (_, i) => context + i));
    const columns = context + final.length;
    const run = { tokens: columns, padded: columns, start: 0 };
    const windows = [0, ...windowsOf(hp.attention)];
    const maskOf = (window: number) =>
      inputs.half(columns, final.length, () => causalMask([run], context, final.length, window));
    const states = new PromptStates();
    const at = () => Int32Array.from(final, (_, i) => context + i);
    const temperature = new QueryTemperature(g, inputs, hp.attention, final.length, at);
    const masks = new Map(windows.map((window) => [window, maskOf(window)]));
    return {
      convolve(layer, x): Tensor {
        const before = layer.taps - 1;
        const tail = inputs.floats([layer.channels, before], () => storedTail(layout, blocks, layer));
        const convolution = new PromptConvolution(g, inputs, before + final.length, () => true);
        const all = convolution.convolve(layer, g.concat(tail, x, 1));
        const { ne, nb } = all;
        return g.view(all, [ne[0], final.length, 1, 1], nb[1], nb[2], nb[3], before * nb[1]);
      },
      attend(layer, q, ownK, ownV): Tensor {
        const { k, v } = states.of(layer, ownK, ownV);
        const { heads, kvHeads, headDim, valueDim } = layer;
        const before = concatenated(model, layout, blocks, layer);
        const scores = g.tensor(TensorType.F32, columns, final.length, heads);
        const put = (part: Tensor, first: number) => {
          const [n, rows] = part.ne;
          const place = g.view(scores, [n, rows, heads, 1], scores.nb[1], scores.nb[2], scores.nb[3], first * 4);
          g.expand(g.copy(part, place));
        };
        const query = byHead(g, rotateQuery(g, layer, temperature.apply(layer, q), positions));
        const ownKeys = g.cont(byHead(g, rotate(g, layer, k, positions)));
        const ownValues = g.cont(g.permute(v, 1, 2, 0, 3));
        let contextValues: Tensor | undefined;
        if (context > 0) {
          const keys = inputs.floats([headDim, context, kvHeads], () => before.keys);
          const values = inputs.floats([valueDim, context, kvHeads], () => before.values);
          contextValues = g.cont(g.permute(values, 1, 0, 2, 3));
          put(g.mulMat(keys, query), 0);
        }
        put(g.mulMat(ownKeys, query), context);
        const mask = masks.get(layer.window) ?? null;
        const weights = g.expand(attentionWeights(g, layer, scores, mask));
        const part = (first: number, n: number) =>
          g.view(weights, [n, final.length, heads, 1], weights.nb[1], weights.nb[2], weights.nb[3], first * 4);
        const own = g.mulMat(ownValues, part(context, final.length));
        const attended = contextValues ? g.add(g.mulMat(contextValues, part(0, context)), own) : own;
        return mergeHeads(g, attended);
      },
    };
  };
  return runOnce(
    {
      model,
      attentionTensors: 64,
      tokens: { length: final.length, data: () => final },
      prompt: true,
      outputs: Int32Array.of(final.length - 1),
      attention: build,
    },
    allocator,
  );
}
