/**
 * Writes a trained model: the metadata of the file it came from, and its tensors with new values.
 */
import { policyKey } from '../../engine/policy/default-policy.ts';
import type { GgufFile } from '../../ggml/gguf/gguf-file.ts';
import { readGgufMetadata } from '../../ggml/gguf/gguf-metadata.ts';
import { type GgufTensorSource, writeGguf } from '../../ggml/gguf/gguf-writer.ts';
import { TensorData } from '../../ggml/gguf/tensor-data.ts';
import { quantize } from '../../ggml/graph/quantize.ts';
import { type TensorType, TensorType as types, typeTraits } from '../../ggml/graph/tensor.ts';

export interface SaveOptions {
  /**
   * How matrices are stored; those whose rows the type cannot hold, and vectors, are f32. Defaults to `f32`.
   * `same`: each as in the file the training started from.
   */
  readonly weights?: 'f32' | 'f16' | 'q8_0' | 'same' | undefined;
  /** Name of the context policy it was trained under. Defaults to what the base model says, if anything. */
  readonly policy?: string | undefined;
  /** Name written to the file. Defaults to the base model's. */
  readonly name?: string | undefined;
}

const matrixTypes = { f32: types.F32, f16: types.F16, q8_0: types.Q8_0 } as const;
const fileTypeKey = 'general.file_type';
/** llama.cpp's numbers of what most matrices are. */
const fileTypes = { f32: 0, f16: 1, q8_0: 7 } as const;

/** @param values new values of a tensor, or undefined to keep the file's */
export async function saveModel(
  path: string,
  base: GgufFile,
  values: (name: string) => Float32Array | undefined,
  { weights = 'f32', name, policy }: SaveOptions,
): Promise<void> {
  const metadata = await readGgufMetadata(base);
  // What is written is one file.
  for (const key of metadata.keys()) if (key.startsWith('split.')) metadata.delete(key);
  if (name !== undefined) metadata.set('general.name', { string: name });
  if (policy !== undefined) metadata.set(policyKey, { string: policy });
  if (weights !== 'same') metadata.set(fileTypeKey, { u32: fileTypes[weights] });
  using data = new TensorData(base.paths);
  const tensors = Array.from(base.tensors.values(), (entry): GgufTensorSource => {
    const isMatrix = entry.ne[1] > 1;
    const wanted: TensorType = weights === 'same' ? entry.type : isMatrix ? matrixTypes[weights] : types.F32;
    const type = entry.ne[0] % typeTraits(wanted).blockElements === 0 ? wanted : types.F32;
    const ne = entry.ne[3] > 1 ? entry.ne : isMatrix ? entry.ne.slice(0, entry.ne[2] > 1 ? 3 : 2) : [entry.ne[0]];
    const present = values(entry.name) === undefined ? entry.type : type;
    return {
      name: entry.name,
      type: present,
      ne,
      data: () => {
        const fresh = values(entry.name);
        return fresh === undefined ? data.bytes(entry) : quantize(type, fresh, entry.ne[0]);
      },
    };
  });
  await writeGguf(path, metadata, tensors);
}
