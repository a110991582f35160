/** An adapter as a GGUF file in llama.cpp's layout of LoRA: pairs of tensors `NAME.lora_a` and `NAME.lora_b`. */
import { policyKey } from '../../engine/policy/default-policy.ts';
import { writeGguf } from '../../ggml/gguf/gguf-writer.ts';
import { quantize } from '../../ggml/graph/quantize.ts';
import { TensorType } from '../../ggml/graph/tensor.ts';
import { type AdapterKind, adapterKindKey } from '../../model/weights/adapter-file.ts';

export interface AdapterContent {
  readonly architecture: string;
  readonly kind: AdapterKind;
  /** Name of the context policy it was trained under, where that is known. */
  readonly policy: string | undefined;
  /** Of the factors. Defaults to f32. */
  readonly type?: typeof TensorType.F32 | typeof TensorType.F16 | undefined;
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
  { architecture, kind, alpha, policy, tensors, type = TensorType.F32 }: AdapterContent,
): Promise<void> {
  await writeGguf(
    path,
    new Map([
      ['general.architecture', { string: architecture }],
      ['general.type', { string: 'adapter' }],
      // Programs that would apply a writer everywhere refuse it for its type.
      ['adapter.type', { string: kind }],
      ...(kind === 'lora' ? [] : [[adapterKindKey, { string: kind }] as const]),
      ['adapter.lora.alpha', { f32: alpha }],
      ...(policy === undefined ? [] : [[policyKey, { string: policy }] as const]),
    ]),
    tensors.map((tensor) => ({
      name: tensor.name,
      type,
      ne: tensor.ne,
      data: () => quantize(type, tensor.values(), tensor.ne[0]),
    })),
  );
}
