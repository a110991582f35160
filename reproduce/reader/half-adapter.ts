/**
 * The mean of some adapters in 16 bits: half the bytes of what training writes, and finer than the 4-bit weights they
 * change. Stages of one training lie close enough together that the mean of their factors answers as well as each, and
 * keeps what the earlier one could ("Model soups", Wortsman et al., 2022).
 */
import { trainedPolicy } from '../../packages/engine/src/engine/policy/default-policy.ts';
import { openGguf } from '../../packages/engine/src/ggml/gguf/gguf-file.ts';
import { TensorType } from '../../packages/engine/src/ggml/graph/tensor.ts';
import { AdapterFile } from '../../packages/engine/src/model/weights/adapter-file.ts';
import { writeAdapter } from '../../packages/engine/src/train/files/write-adapter.ts';

interface Factor {
  readonly name: string;
  readonly ne: readonly [number, number];
  readonly values: Float32Array;
}

/** @param from adapters of one training, with the same factors @param model path of the model they are for */
export async function writeHalfAdapter(from: readonly string[], to: string, model: string): Promise<void> {
  const file = await openGguf(model);
  const adapters = await Promise.all(from.map((path) => AdapterFile.open(path, file)));
  const all = adapters.map(factorsOf);
  const [first] = all;
  const last = adapters.at(-1);
  if (first === undefined || last === undefined) throw new Error('no adapter is given');
  for (const [i, { alpha, factors }] of all.entries()) {
    const same = alpha === first.alpha && factors.every(({ name }, at) => name === first.factors[at]?.name);
    if (!same || factors.length !== first.factors.length)
      throw new Error(`${from[i]} has other factors than ${from[0]}`);
  }
  const policy = trainedPolicy({ file, adapter: last });
  await writeAdapter(to, {
    architecture: String(file.value('general.architecture')),
    kind: 'lora',
    alpha: first.alpha,
    policy: policy?.name,
    tensors: first.factors.map(({ name, ne }, at) => ({
      name,
      ne,
      values: () => mean(all.map(({ factors }) => factors[at]?.values ?? new Float32Array(0))),
    })),
    type: TensorType.F16,
  });
}

function factorsOf(adapter: AdapterFile): { alpha: number; factors: Factor[] } {
  const factors: Factor[] = [];
  let alpha = 0;
  adapter.read((name, a, b, { inputs, outputs, rank, factor }) => {
    alpha = factor * rank;
    factors.push({ name: `${name}.lora_a`, ne: [inputs, rank], values: a.slice() });
    factors.push({ name: `${name}.lora_b`, ne: [rank, outputs], values: b.slice() });
  });
  return { alpha, factors };
}

function mean(values: readonly Float32Array[]): Float32Array {
  const [first = new Float32Array(0)] = values;
  return first.map((_, i) => values.reduce((sum, each) => sum + (each[i] ?? Number.NaN), 0) / values.length);
}
