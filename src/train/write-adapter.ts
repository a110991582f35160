/** A LoRA adapter as a GGUF file in llama.cpp's layout: pairs of tensors `NAME.lora_a` and `NAME.lora_b`, f32. */
import { policyKey } from '../engine/policy/default-policy.ts';
import { writeGguf } from '../ggml/gguf-writer.ts';
import { TensorType } from '../ggml/tensor.ts';

export interface AdapterContent {
  readonly architecture: string;
  /** Name of the context policy it was trained under, where that is known. */
  readonly policy: string | undefined;
  /** The adapter's output is multiplied by alpha / rank. */
  readonly alpha: number;
  readonly tensors: readonly {
    readonly name: string;
    readonly ne: readonly [number, number];
    values(): Float32Array;
  }[];
}

export async function writeAdapter(
  path: string,
  { architecture, alpha, policy, tensors }: AdapterContent,
): Promise<void> {
  await writeGguf(
    path,
    new Map([
      ['general.architecture', { string: architecture }],
      ['general.type', { string: 'adapter' }],
      ['adapter.type', { string: 'lora' }],
      ['adapter.lora.alpha', { f32: alpha }],
      ...(policy === undefined ? [] : [[policyKey, { string: policy }] as const]),
    ]),
    tensors.map((tensor) => ({
      name: tensor.name,
      type: TensorType.F32,
      ne: tensor.ne,
      data: () => {
        const { buffer, byteOffset, byteLength } = tensor.values();
        return new Uint8Array(buffer, byteOffset, byteLength);
      },
    })),
  );
}
