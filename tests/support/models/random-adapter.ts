/** LoRA adapters with seeded random factors over a model, and the same change merged into a copy of the model. */

import { mapFile } from '../../../packages/engine/src/ggml/ffi/memory.ts';
import { type GgufTensor, openGguf } from '../../../packages/engine/src/ggml/gguf/gguf-file.ts';
import {
  type GgufEntry,
  type GgufTensorSource,
  writeGguf,
} from '../../../packages/engine/src/ggml/gguf/gguf-writer.ts';
import { dequantize, quantize } from '../../../packages/engine/src/ggml/graph/quantize.ts';
import { TensorType } from '../../../packages/engine/src/ggml/graph/tensor.ts';
import { adapterKindKey } from '../../../packages/engine/src/model/weights/adapter-file.ts';
import { saveModel } from '../../../packages/engine/src/train/files/write-model.ts';
import { addLowRank } from '../../../packages/engine/src/train/optimizer/matrix.ts';
import { createPrng } from '../prng.ts';

export interface RandomAdapterSpec {
  /** Defaults to 4. */
  readonly rank?: number;
  /** Defaults to twice the rank. */
  readonly alpha?: number;
  /** Of the factors. Defaults to F32. */
  readonly type?: TensorType;
  /** Writes a writer. Defaults to an ordinary adapter. */
  readonly writer?: boolean;
  /** Changes made to what is written: metadata, and tensors. */
  readonly metadata?: Readonly<Record<string, GgufEntry>>;
  readonly tensors?: (all: GgufTensorSource[]) => GgufTensorSource[];
}

const linear =
  /^(blk\.\d+\.(attn_(q|k|v|qkv|output)|shortconv\.(in_proj|out_proj)|ffn_(gate|up|down))|output)\.weight$/;

/** Writes an adapter of every linear map of the model, its head included, that changes logits clearly. */
export async function writeRandomAdapter(
  path: string,
  model: string,
  seed: number,
  {
    rank = 4,
    alpha = 2 * rank,
    type = TensorType.F32,
    writer = false,
    metadata = {},
    tensors = (all) => all,
  }: RandomAdapterSpec = {},
): Promise<void> {
  const base = await openGguf(model);
  const prng = createPrng(seed);
  const factor = (name: string, columns: number, rows: number, gain: number): GgufTensorSource => {
    const values = prng.normal(columns * rows, gain / Math.sqrt(columns));
    return { name, type, ne: [columns, rows], data: () => quantize(type, values, columns) };
  };
  const all = Array.from(base.tensors.values())
    .filter(({ name }) => linear.test(name))
    .flatMap(({ name, ne }) => [
      factor(`${name}.lora_a`, ne[0], rank, 1),
      factor(`${name}.lora_b`, rank, ne[1], (0.4 * rank) / alpha),
    ]);
  const entries: Record<string, GgufEntry> = {
    'general.architecture': { string: String(base.value('general.architecture')) },
    'general.type': { string: 'adapter' },
    'adapter.type': { string: writer ? 'writer' : 'lora' },
    ...(writer && { [adapterKindKey]: { string: 'writer' } }),
    'adapter.lora.alpha': { f32: alpha },
    ...metadata,
  };
  await writeGguf(path, new Map(Object.entries(entries)), tensors(all));
}

/** Writes the model with the adapter added to its matrices, in f32. */
export async function writeMerged(path: string, model: string, adapter: string, scale = 1): Promise<void> {
  const [base, lora] = [await openGguf(model), await openGguf(adapter)];
  const alpha = Number(lora.value('adapter.lora.alpha'));
  await saveModel(
    path,
    base,
    (name) => {
      const entry = base.tensors.get(name);
      if (entry === undefined) return undefined;
      const values = valuesOf(model, entry);
      const [a, b] = [lora.tensors.get(`${name}.lora_a`), lora.tensors.get(`${name}.lora_b`)];
      if (a && b) addLowRank(values, valuesOf(adapter, a), valuesOf(adapter, b), b.ne[0], (scale * alpha) / b.ne[0]);
      return values;
    },
    { weights: 'f32' },
  );
}

function valuesOf(path: string, { type, ne, offset, bytes }: GgufTensor): Float32Array {
  const mapping = mapFile(path);
  try {
    return dequantize(type, mapping.bytes.subarray(offset, offset + bytes), ne[0]);
  } finally {
    mapping.free();
  }
}
