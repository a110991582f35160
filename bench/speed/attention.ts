/**
 * One layer's attention of a final block, 50 queries × 32,768 keys: the fused kernel and stock operations over blocks
 * against ggml's flash_attn_ext over one contiguous cache. `npm run bench -- attention`
 *
 * The kernel's share of the machine's measured peak: `node packages/engine/native/build.mjs --bench`, then `packages/engine/native/build/bench`.
 */
import { Backend, GraphContext, loadNativeKernel, TensorType } from '@block-attention/engine/internal/ggml';
import { KvLayout, Model, nativeAttention, portableAttention, Sequence } from '@block-attention/engine/internal/model';
import { GraphInputs } from '../../packages/engine/src/model/graph/graph-inputs.ts';
import { attentionLayers } from '../../packages/engine/src/model/weights/layers.ts';
import { benchOptions, interleave, report, round, timed } from '../support/harness.ts';

const options = await benchOptions({ runs: 5 });
const backend = await Backend.open({ device: 'cpu', threads: options.threads });
const model = await Model.load(options.path, backend);
const layout = new KvLayout(model.hyperParameters, 'f16');
const { heads, kvHeads, headDim } = model.hyperParameters;
const queries = 50;
const keys = 32_768;
const blockTokens = 512;
const oneLayer = layout.blockBytes(blockTokens);
const blocks = Array.from({ length: keys / blockTokens }, () => {
  const memory = backend.allocateMemory(oneLayer);
  const values = new Uint16Array(oneLayer / 2);
  for (let i = 0; i < values.length; i++) values[i] = 0x2c00 + ((i * 40_503) & 0x0fff) + ((i & 1) << 15);
  backend.upload(memory, new Uint8Array(values.buffer));
  return { memory, tokens: blockTokens };
});

function firstLayer() {
  const [layer] = attentionLayers(model.weights);
  if (layer === undefined) throw new Error('a model has layers');
  return layer;
}

function ourGraph(attention: ReturnType<typeof portableAttention>) {
  const g = new GraphContext(8192);
  const inputs = new GraphInputs(g);
  const sequence = new Sequence(backend, layout, blocks, queries + 32);
  const path = attention(g, inputs, [{ sequence, row: 0, tokens: queries }]);
  const input = (n: number) =>
    inputs.floats([headDim, n, queries], () => new Float32Array(headDim * n * queries).fill(0.1));
  const out = path.attend(firstLayer(), input(heads), input(kvHeads), input(kvHeads));
  g.output(out);
  return prepare(g, inputs);
}

function flashGraph() {
  const g = new GraphContext(64);
  const inputs = new GraphInputs(g);
  const total = keys + 256;
  const cache = backend.allocateMemory(2 * kvHeads * total * headDim * 2);
  const half = kvHeads * total * headDim * 2;
  const q = inputs.floats([headDim, queries, heads], () => new Float32Array(headDim * heads * queries).fill(0.1));
  const k = backend.placed(g, TensorType.F16, [headDim, total, kvHeads, 1], cache, 0);
  const v = backend.placed(g, TensorType.F16, [headDim, total, kvHeads, 1], cache, half);
  const mask = inputs.half(total, queries, () => new Uint16Array(total * queries));
  g.output(g.flashAttention(q, k, v, mask, firstLayer().scale));
  return prepare(g, inputs);
}

function prepare(g: GraphContext, inputs: GraphInputs): () => Promise<number> {
  const allocator = backend.allocator();
  allocator.place(g);
  inputs.write(backend);
  return () => timed(() => allocator.compute(g));
}

const kernel = loadNativeKernel();
const alternatives: [string, () => Promise<number>][] = [
  ['stock operations, per block', ourGraph(portableAttention(model, layout))],
  ['flash_attn_ext f16', flashGraph()],
];
if (kernel) alternatives.unshift([`fused kernel (${kernel.isa})`, ourGraph(nativeAttention(kernel)(model, layout))]);
const times = await interleave(alternatives, options.runs);
const operations = 4 * queries * (keys + queries / 2) * heads * headDim;
const yardstick = times['flash_attn_ext f16'] ?? Number.NaN;
report(
  'attention',
  options,
  Object.entries(times).map(([path, ms]) => ({
    path,
    ms: round(ms, 1),
    gflops: round(operations / ms / 1e6, 1),
    timesFlashAttention: round(yardstick / ms),
  })),
);
process.exit(0);
