/**
 * What sinks, a soft cap and a window cost in the native kernel: one layer's attention with them against the same without,
 * in the shapes of gpt-oss 20B and Gemma 2. The window is as long as the context, so that the same keys are met.
 * `npm run bench -- attention-kinds [--threads 1] [--runs 60] [--tokens 4096]`
 *
 * Alternatives take turns in short repetitions, measured by the processor time of the process, so that ratios hold beside
 * other work. With more than one thread that counts their waits, too.
 */
import { parseArgs } from 'node:util';
import { Backend, GraphContext, loadNativeKernel, TensorType } from '@block-attention/engine/internal/ggml';
import { describeMachine } from '../../packages/engine/src/eval/ttft/machine.ts';
import { allocateMemory } from '../../packages/engine/src/ggml/ffi/memory.ts';
import {
  AttentionArguments,
  type AttentionSequence,
  type AttentionShape,
} from '../../packages/engine/src/ggml/native/attention-arguments.ts';
import { median } from '../../packages/engine/src/scoring/median.ts';
import { printResult, round } from '../support/harness.ts';

const { values } = parseArgs({
  options: {
    threads: { type: 'string', default: '1' },
    runs: { type: 'string', default: '60' },
    tokens: { type: 'string', default: '4096' },
  },
});
const [threads = 1, runs = 60, tokens = 4096] = [values.threads, values.runs, values.tokens].map(Number);
const backend = await Backend.open({ device: 'cpu', threads });
const kernel = loadNativeKernel();
if (kernel === undefined) throw new Error('there is no native kernel here');
const blockTokens = 512;
const capacity = 512;

interface Family {
  readonly name: string;
  readonly heads: number;
  readonly kvHeads: number;
  readonly headDim: number;
  readonly kinds: Readonly<Record<string, Partial<AttentionShape>>>;
}

const sinks = floats(64).address;
const families: readonly Family[] = [
  {
    name: 'gpt-oss 20B',
    heads: 64,
    kvHeads: 8,
    headDim: 64,
    kinds: { sinks: { sinks }, 'sinks and window': { sinks, window: tokens + capacity } },
  },
  {
    name: 'Gemma 2 2B',
    heads: 8,
    kvHeads: 4,
    headDim: 256,
    kinds: { 'soft cap': { softcap: 50 }, 'soft cap and window': { softcap: 50, window: tokens + capacity } },
  },
  { name: 'Gemma 2 27B', heads: 32, kvHeads: 16, headDim: 128, kinds: { 'soft cap': { softcap: 50 } } },
];

interface Use {
  readonly use: string;
  readonly queries: number;
  /** Keys of context blocks before them. */
  readonly context: number;
  /** Runs that are measured together. */
  readonly times: number;
}
const uses: readonly Use[] = [
  { use: 'encoding a block of 512', queries: 512, context: 0, times: 1 },
  { use: 'a question of 50', queries: 50, context: tokens, times: 1 },
  { use: 'one token', queries: 1, context: tokens, times: 10 },
];

/** Numbers in [-1, 1). Never freed: the process ends with the bench. */
function floats(count: number) {
  const memory = allocateMemory(count * 4);
  const into = new Float32Array(memory.bytes.buffer, memory.bytes.byteOffset, count);
  for (let i = 0; i < count; i++) into[i] = ((i * 40_503) % 2048) / 1024 - 1;
  return memory;
}

/** Keys or values as f16: powers of two from 1/16 to 1 of either sign, roughly. */
function halves(count: number): bigint {
  const memory = allocateMemory(count * 2);
  const into = new Uint16Array(memory.bytes.buffer, memory.bytes.byteOffset, count);
  for (let i = 0; i < count; i++) into[i] = 0x2c00 + ((i * 40_503) & 0x0fff) + ((i & 1) << 15);
  return memory.address;
}

/** Keys and values, the same for all kinds: where they lie in memory counts, too. */
function sequenceOf({ kvHeads, headDim }: Family, { queries, context }: Use) {
  const part = (size: number, start: number, angles: bigint | null) => {
    const [keys, values] = [halves(kvHeads * size * headDim), halves(kvHeads * size * headDim)];
    return { keys, values, cos: angles, sin: angles, tokens: size, paddedTokens: size, start, type: TensorType.F16 };
  };
  const blocks = Array.from({ length: context / blockTokens }, (_, i) =>
    part(blockTokens, i * blockTokens, floats(headDim).address),
  );
  const own = { ...part(capacity, context, null), tokens: queries };
  return { blocks, row: 0, queries, position: context, own };
}

/** The kernel's two nodes in a graph. @returns ms of processor time of one run */
function prepare(
  { heads, kvHeads, headDim }: Family,
  { queries, times }: Use,
  sequence: AttentionSequence,
  kind: Partial<AttentionShape>,
) {
  if (kernel === undefined) throw new Error('there is a kernel');
  const plain = { softcap: 0, sinks: null, latent: 0, window: 0, neox: true, cut: threads, rotated: headDim };
  const shape = { ...plain, heads, kvHeads, headDim, scale: headDim ** -0.5, ...kind };
  const parameters = new AttentionArguments(shape, { sequences: 1, blocks: sequence.blocks.length });
  parameters.write([sequence]);
  const scratch = allocateMemory(kernel.scratchBytes(parameters.params, threads));
  scratch.bytes.fill(0, 0, 64);
  parameters.setScratch(scratch);
  const g = new GraphContext(16);
  const q = backend.hostMemory(floats(headDim * heads * queries).address);
  const input = backend.placed(g, TensorType.F32, [headDim, heads, queries, 1], q, 0);
  const partial = g.custom([headDim, heads, queries, 1], [input], kernel.attend, parameters.op);
  g.output(g.custom([headDim, heads, queries, 1], [partial], kernel.merge, parameters.op));
  const allocator = backend.allocator();
  allocator.place(g);
  return async () => {
    const before = process.cpuUsage();
    for (let i = 0; i < times; i++) await allocator.compute(g);
    const { user, system } = process.cpuUsage(before);
    return (user + system) / 1000 / times;
  };
}

const rows: Record<string, string | number>[] = [];
for (const family of families) {
  for (const use of uses) {
    const sequence = sequenceOf(family, use);
    const alternatives = Object.entries({ plain: {}, ...family.kinds }).map(([kind, difference]) => ({
      kind,
      run: prepare(family, use, sequence, difference),
      times: [] as number[],
    }));
    for (let i = -3; i < runs; i++) {
      for (const { run, times } of alternatives) {
        const ms = await run();
        if (i >= 0) times.push(ms);
      }
    }
    const [plain = Number.NaN, ...others] = alternatives.map(({ times }) => median(times) ?? Number.NaN);
    for (const [i, ms] of others.entries()) {
      const kind = alternatives[i + 1]?.kind ?? '';
      const speed = round(plain / ms);
      rows.push({ family: family.name, use: use.use, kind, 'plain ms': round(plain), ms: round(ms), speed });
    }
  }
}
const machine = describeMachine();
console.log(`attention-kinds · ${machine.cpu}, ${threads} threads, Node ${machine.node}, native ${kernel.isa}`);
console.table(rows);
printResult({ bench: 'attention-kinds', machine, isa: kernel.isa, threads, runs, tokens, rows });
process.exit(0);
