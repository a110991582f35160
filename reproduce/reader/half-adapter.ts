/** An adapter's factors in 16 bits: half the bytes of what training writes, and finer than the 4-bit weights they change. */
import { trainedPolicy } from '../../packages/engine/src/engine/policy/default-policy.ts';
import { openGguf } from '../../packages/engine/src/ggml/gguf/gguf-file.ts';
import { TensorType } from '../../packages/engine/src/ggml/graph/tensor.ts';
import { AdapterFile } from '../../packages/engine/src/model/weights/adapter-file.ts';
import { writeAdapter } from '../../packages/engine/src/train/files/write-adapter.ts';

/** @param model path of the model it is for */
export async function writeHalfAdapter(from: string, to: string, model: string): Promise<void> {
  const file = await openGguf(model);
  const adapter = await AdapterFile.open(from, file);
  const factors: { name: string; ne: readonly [number, number]; values: () => Float32Array }[] = [];
  let alpha = 0;
  adapter.read((name, a, b, { inputs, outputs, rank, factor }) => {
    alpha = factor * rank;
    factors.push({ name: `${name}.lora_a`, ne: [inputs, rank], values: () => a });
    factors.push({ name: `${name}.lora_b`, ne: [rank, outputs], values: () => b });
  });
  const policy = trainedPolicy({ file, adapter });
  const architecture = String(file.value('general.architecture'));
  await writeAdapter(to, {
    architecture,
    kind: 'lora',
    alpha,
    policy: policy?.name,
    tensors: factors,
    type: TensorType.F16,
  });
}
