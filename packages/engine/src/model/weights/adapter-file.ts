/**
 * A LoRA's file in llama.cpp's layout: pairs of tensors `NAME.lora_a` [in, rank] and `NAME.lora_b` [rank, out].
 *
 * A file that cannot be applied as a whole is refused: half an adapter would answer like neither model.
 */
import { BlockAttentionError } from '../../errors.ts';
import { type GgufFile, type GgufTensor, openGguf } from '../../ggml/gguf/gguf-file.ts';
import { TensorData } from '../../ggml/gguf/tensor-data.ts';
import { TensorType } from '../../ggml/graph/tensor.ts';
import { layerMatrix } from './layers.ts';

/**
 * Key of an adapter's metadata: its kind. Absent in LoRA of other makers, which act everywhere.
 *
 * A `writer` acts only while passages are encoded. Its `adapter.type` is `writer` too, so that programs which would apply
 * it everywhere, and be wrong, refuse it.
 */
export const adapterKindKey = 'block_attention.adapter';

/** `lora`: acts on every token, in both modes. `writer`: on the tokens of passages while they are encoded, and on no other. */
export type AdapterKind = 'lora' | 'writer';

/** What changes one matrix. */
export interface AdapterShape {
  readonly inputs: number;
  readonly outputs: number;
  readonly rank: number;
  /** Of B A: alpha / rank, or 1 where the file names no alpha, as llama.cpp has it. */
  readonly factor: number;
}

interface Pair extends AdapterShape {
  readonly a: GgufTensor; // [in, rank]
  readonly b: GgufTensor; // [rank, out]
}

export class AdapterFile {
  readonly path: string;
  readonly kind: AdapterKind;
  readonly #file: GgufFile;
  readonly #pairs: ReadonlyMap<string, Pair>;

  private constructor(path: string, kind: AdapterKind, file: GgufFile, pairs: ReadonlyMap<string, Pair>) {
    this.path = path;
    this.kind = kind;
    this.#file = file;
    this.#pairs = pairs;
  }

  /**
   * @param base the file of the model it is for
   * @throws MODEL_NOT_FOUND; ADAPTER_INVALID when it is not a LoRA, or not for this model
   */
  static async open(path: string, base: GgufFile): Promise<AdapterFile> {
    const file = await openFile(path);
    return new AdapterFile(path, kindOf(file, base), file, pairsOf(file, base));
  }

  /** A value of the file's metadata. */
  metadata(key: string): ReturnType<GgufFile['value']> {
    return this.#file.value(key);
  }

  /** By the name of the matrix in the model's file. */
  get shapes(): ReadonlyMap<string, AdapterShape> {
    return this.#pairs;
  }

  /** Hands out the factors in f32, A as [rank][in] and B as [out][rank]. @throws ADAPTER_INVALID when one is damaged */
  read(visit: (name: string, a: Float32Array, b: Float32Array, shape: AdapterShape) => void): void {
    using data = new TensorData(this.path);
    const values = (tensor: GgufTensor) => readValues(this.path, data, tensor);
    for (const [name, pair] of this.#pairs) visit(name, values(pair.a), values(pair.b), pair);
  }
}

/** Whether the forward pass adds an adapter to the product of this matrix. */
const adaptable = (name: string) => layerMatrix.test(name) || name === 'output.weight';

function invalid(message: string, cause?: unknown): BlockAttentionError {
  return new BlockAttentionError('ADAPTER_INVALID', message, { cause });
}

async function openFile(path: string): Promise<GgufFile> {
  try {
    return await openGguf(path);
  } catch (error) {
    if (!BlockAttentionError.isInstance(error)) throw error;
    if (error.code === 'MODEL_NOT_FOUND') {
      const remedy = 'give the path of a LoRA GGUF, such as adapter.gguf of `finetune`';
      throw new BlockAttentionError('MODEL_NOT_FOUND', `adapter ${path} cannot be opened: ${remedy}`, { cause: error });
    }
    throw invalid(`as an adapter, ${error.message}`, error);
  }
}

function kindOf(file: GgufFile, base: GgufFile): AdapterKind {
  const { path } = file;
  const [type, technique, own] = ['general.type', 'adapter.type', adapterKindKey].map((key) => file.value(key));
  if (type !== 'adapter') {
    throw invalid(`${path} is not an adapter but a ${String(type ?? 'model')}: give it as the model, and a LoRA here`);
  }
  if (own !== undefined && own !== 'lora' && own !== 'writer') {
    throw invalid(`${path} is an adapter of kind ${String(own)}, which this version does not know: use a newer one`);
  }
  const kind = own ?? 'lora';
  if (technique !== 'lora' && technique !== kind) {
    throw invalid(`${path} is an adapter of type ${String(technique)}: only "lora" is applied`);
  }
  if (file.keys.includes('adapter.alora.invocation_tokens')) {
    throw invalid(`${path} is an activated LoRA, which works from a token on: only plain ones are applied`);
  }
  const [built, wanted] = [file.value('general.architecture'), base.value('general.architecture')];
  if (built !== wanted) {
    throw invalid(
      `${path} is for architecture "${String(built)}", ${base.path} is "${String(wanted)}": use the model it was trained on`,
    );
  }
  return kind;
}

function alphaOf(file: GgufFile): number {
  const alpha = Number(file.value('adapter.lora.alpha') ?? 0);
  if (!Number.isFinite(alpha)) throw invalid(`${file.path}: adapter.lora.alpha is ${alpha}: train or convert it again`);
  return alpha;
}

function pairsOf(file: GgufFile, base: GgufFile): Map<string, Pair> {
  const { path } = file;
  const alpha = alphaOf(file);
  const pairs = new Map<string, Pair>();
  for (const tensor of file.tensors.values()) {
    const [, name, which] = /^(.+)\.lora_([ab])$/.exec(tensor.name) ?? [];
    if (name === undefined) {
      throw invalid(
        `${path}: tensor ${tensor.name} is not a factor of a LoRA: merge the adapter into the model instead`,
      );
    }
    if (which === 'b' && file.tensors.has(`${name}.lora_a`)) continue;
    const [a, b] = [file.tensors.get(`${name}.lora_a`), file.tensors.get(`${name}.lora_b`)];
    if (a === undefined || b === undefined) {
      throw invalid(`${path}: ${tensor.name} has no counterpart: the file is not whole, write or download it again`);
    }
    checkPair(file, base, name, a, b);
    const [rank, outputs] = b.ne;
    pairs.set(name, { a, b, inputs: a.ne[0], outputs, rank, factor: alpha === 0 ? 1 : alpha / rank });
  }
  if (pairs.size === 0) throw invalid(`${path} has no tensors: train or convert it again`);
  return pairs;
}

function checkPair({ path }: GgufFile, base: GgufFile, name: string, a: GgufTensor, b: GgufTensor): void {
  const matrix = base.tensors.get(name);
  if (matrix === undefined) {
    throw invalid(`${path} changes ${name}, which ${base.path} does not have: use the model it was trained on`);
  }
  if (!adaptable(name)) {
    throw invalid(`${path} changes ${name}, which is not applied while running: merge the adapter into the model`);
  }
  const [inputs, outputs] = matrix.ne;
  const flat = [a, b].every(({ ne }) => ne[2] === 1 && ne[3] === 1);
  if (!flat || a.ne[0] !== inputs || b.ne[1] !== outputs || a.ne[1] !== b.ne[0] || b.ne[0] < 1) {
    throw invalid(
      `${path}: the factors of ${name} are [${a.ne.slice(0, 2).join(',')}] and [${b.ne.slice(0, 2).join(',')}], ` +
        `the model's matrix is [${inputs},${outputs}]: use the model it was trained on`,
    );
  }
}

function readValues(path: string, data: TensorData, tensor: GgufTensor): Float32Array {
  const { name, type } = tensor;
  const isInteger = type === TensorType.I32 || type === TensorType.I64;
  const values = isInteger ? undefined : data.values(tensor);
  if (values?.every((value) => Number.isFinite(value)) !== true) {
    throw invalid(`${path}: tensor ${name} holds values that are not finite numbers: train or convert it again`);
  }
  return values;
}
