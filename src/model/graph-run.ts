/**
 * One-off graphs: build, place, fill, compute, read. Reusable decode graphs are in decode-graph.ts.
 */
import type { Backend, GraphAllocator } from '../ggml/backend.ts';
import { GraphContext } from '../ggml/graph-context.ts';
import type { Tensor } from '../ggml/tensor.ts';
import type { KvLayout } from './kv-layout.ts';
import { PortableAttention, type SequenceRows } from './attention-portable.ts';
import { DenseAttention } from './attention-dense.ts';
import { EncodeAttention, type EncodeTarget } from './attention-encode.ts';
import { type Attention, buildForward } from './forward.ts';
import { GraphInputs } from './graph-inputs.ts';
import type { Model } from './model.ts';
import type { Sequence } from './sequence.ts';

/** Tensors per layer outside attention, generously. */
const perLayer = 48;

async function run(
  model: Model,
  allocator: GraphAllocator,
  capacity: number,
  tokens: Int32Array,
  outputs: Int32Array | null,
  attention: (g: GraphContext, inputs: GraphInputs) => Attention,
): Promise<Float32Array> {
  const g = new GraphContext(capacity + perLayer * model.hyperParameters.layers + 64);
  try {
    const inputs = new GraphInputs(g);
    const tokenInput = inputs.integers(tokens);
    const outputInput = outputs === null ? null : inputs.integers(outputs);
    const logits = buildForward(g, model, tokenInput, outputInput, attention(g, inputs));
    if (logits !== null) g.output(logits);
    allocator.place(g);
    inputs.write(model.backend);
    await model.backend.compute(g);
    return logits === null ? new Float32Array(0) : readLogits(model.backend, logits);
  } finally {
    g.dispose();
  }
}

function readLogits(backend: Backend, logits: Tensor): Float32Array {
  const values = new Float32Array(logits.ne[0] * logits.ne[1]);
  backend.read(logits, values);
  return values;
}

/** A block to encode into zeroed memory of layout.blockBytes(tokens.length) bytes. */
export interface EncodeJob {
  readonly tokens: Int32Array;
  readonly address: bigint;
}

/** Encodes blocks in one batch (paper section 4: each alone, from position 0). */
export async function encodeBlocks(
  model: Model,
  layout: KvLayout,
  allocator: GraphAllocator,
  jobs: readonly EncodeJob[],
): Promise<void> {
  const tokens = new Int32Array(jobs.reduce((sum, job) => sum + job.tokens.length, 0));
  const targets: EncodeTarget[] = [];
  let row = 0;
  for (const job of jobs) {
    tokens.set(job.tokens, row);
    targets.push({ address: job.address, tokens: job.tokens.length, row });
    row += job.tokens.length;
  }
  const capacity = model.hyperParameters.layers * jobs.length * 28;
  await run(model, allocator, capacity, tokens, null, (g, inputs) =>
    new EncodeAttention(g, inputs, model, model.backend, layout, targets),
  );
}

/** New tokens of one sequence, and which of them want logits. */
export interface Step {
  readonly sequence: Sequence;
  readonly tokens: Int32Array;
  /** `last`: logits of the last token. `all`: of every token. */
  readonly logits: 'none' | 'last' | 'all';
}

/**
 * Runs new tokens of several sequences in one batch and advances the sequences.
 * @returns per step its logits, [vocabulary] per wanted token, concatenated
 */
export async function forwardStep(
  model: Model,
  layout: KvLayout,
  allocator: GraphAllocator,
  steps: readonly Step[],
): Promise<Float32Array[]> {
  const tokens = new Int32Array(steps.reduce((sum, step) => sum + step.tokens.length, 0));
  const rows: SequenceRows[] = [];
  const wanted: number[] = [];
  let row = 0;
  let blocks = 0;
  for (const { sequence, tokens: own, logits } of steps) {
    tokens.set(own, row);
    rows.push({ sequence, row, tokens: own.length });
    if (logits === 'all') for (let i = 0; i < own.length; i++) wanted.push(row + i);
    if (logits === 'last') wanted.push(row + own.length - 1);
    row += own.length;
    blocks += sequence.blocks.length;
  }
  // A graph without outputs still has to run its last layer's writes: ask for one row and drop it.
  const outputs = Int32Array.from(wanted.length > 0 ? wanted : [0]);
  const capacity = model.hyperParameters.layers * (blocks * 16 + steps.length * 40);
  const values = await run(model, allocator, capacity, tokens, outputs, (g, inputs) =>
    new PortableAttention(g, inputs, model, model.backend, layout, rows),
  );
  for (const { sequence, tokens: own } of steps) sequence.advance(own.length);
  const { vocabulary } = model.hyperParameters;
  let at = 0;
  return steps.map(({ tokens: own, logits }) => {
    const count = logits === 'none' ? 0 : logits === 'last' ? 1 : own.length;
    const part = values.subarray(at, at + count * vocabulary);
    at += count * vocabulary;
    return part;
  });
}

/**
 * The oracle: the whole prompt in one pass under a dense block mask, at ordinary positions.
 * @param blocks token ids of the blocks, the final block last; a single block is plain causal attention
 * @returns logits of the last token, or of all tokens
 */
export async function denseForward(
  model: Model,
  allocator: GraphAllocator,
  blocks: readonly Int32Array[],
  logits: 'last' | 'all' = 'last',
): Promise<Float32Array> {
  const lengths = blocks.map((block) => block.length);
  const total = lengths.reduce((sum, n) => sum + n, 0);
  const tokens = new Int32Array(total);
  let row = 0;
  for (const block of blocks) {
    tokens.set(block, row);
    row += block.length;
  }
  const outputs = logits === 'last' ? Int32Array.of(total - 1) : Int32Array.from({ length: total }, (_, i) => i);
  const capacity = model.hyperParameters.layers * 24;
  return run(model, allocator, capacity, tokens, outputs, (g, inputs) => new DenseAttention(g, inputs, model, lengths));
}
