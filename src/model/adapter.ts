/**
 * A LoRA adapter in llama.cpp's layout, applied while the model runs: y = W x + scale · alpha / rank · B (A x).
 *
 * The model's own weights stay as they lie, quantised or not. All that the file changes is applied, or the file is
 * refused: half an adapter would answer like neither model. Its factors are kept in f32, with zeros up to a rank that the
 * native linear layers take: a row's result must not depend on how many others are in its batch. Valid until `dispose()`.
 */
import { BlockAttentionError } from '../errors.ts';
import type { Backend } from '../ggml/backend.ts';
import { type GgufFile, type GgufTensor, openGguf } from '../ggml/gguf-file.ts';
import { GraphContext } from '../ggml/graph-context.ts';
import { mapFile } from '../ggml/memory.ts';
import { dequantize } from '../ggml/quantize.ts';
import { TensorType } from '../ggml/tensor.ts';
import { type LowRank, layerMatrix } from './layers.ts';
import { weightsDigest } from './weights-digest.ts';

export interface AdapterOptions {
  /** Path of a LoRA's GGUF, such as `finetune --lora` writes. */
  readonly path: string;
  /** What the change is multiplied by, besides alpha / rank. Defaults to 1; 0 leaves the model as it is. */
  readonly scale?: number | undefined;
}

interface Pair {
  readonly a: GgufTensor; // [in, rank]
  readonly b: GgufTensor; // [rank, out]
}

/** Whether the forward pass adds an adapter to the product of this matrix. */
const adaptable = (name: string) => layerMatrix.test(name) || name === 'output.weight';

export class Adapter {
  readonly path: string;
  readonly scale: number;
  /** The greatest of its maps. */
  readonly rank: number;
  readonly #maps = new Map<string, LowRank>();
  readonly #release: (() => void)[] = [];

  private constructor(file: GgufFile, scale: number, pairs: ReadonlyMap<string, Pair>, backend: Backend) {
    this.path = file.path;
    this.scale = scale;
    this.rank = Math.max(...Array.from(pairs.values(), ({ b }) => b.ne[0]));
    const context = new GraphContext(2 * pairs.size + 8);
    this.#release.push(() => context.dispose());
    for (const [name, { a, b }] of pairs) {
      const tensor = (ne0: number, ne1: number) => context.tensor(TensorType.F32, ne0, ne1);
      const rank = paddedRank(b.ne[0]);
      // The factor becomes part of b.
      this.#maps.set(name, { a: tensor(a.ne[0], rank), b: tensor(rank, b.ne[1]), scale: 1 });
    }
    this.#release.push(backend.allocate(context));
  }

  #fill(file: GgufFile, pairs: ReadonlyMap<string, Pair>, backend: Backend): void {
    const alpha = alphaOf(file);
    const mapping = mapFile(file.path);
    try {
      for (const [name, map] of this.#maps) {
        const pair = pairs.get(name);
        if (pair === undefined) continue;
        // llama.cpp's convention: without an alpha there is no division by the rank either.
        const [rank, outputs] = pair.b.ne;
        const factor = alpha === 0 ? this.scale : (this.scale * alpha) / rank;
        const values = readValues(file.path, mapping.bytes, pair.b).map((value) => value * factor);
        if (!values.every((value) => Number.isFinite(value))) throw badScale(file.path, this.scale);
        const b = new Float32Array(map.b.ne[0] * outputs);
        for (let row = 0; row < outputs; row++) {
          b.set(values.subarray(row * rank, (row + 1) * rank), row * map.b.ne[0]);
        }
        backend.write(map.b, b);
        backend.clear(map.a);
        backend.write(map.a, readValues(file.path, mapping.bytes, pair.a));
      }
    } finally {
      mapping.free();
    }
  }

  /**
   * @param base the file of the model it is for
   * @throws MODEL_NOT_FOUND; ADAPTER_INVALID when it is no LoRA, damaged, or not for this model; INVALID_ARGUMENT for a
   *   scale that is no number
   */
  static async load({ path, scale = 1 }: AdapterOptions, base: GgufFile, backend: Backend): Promise<Adapter> {
    if (!Number.isFinite(scale)) throw badScale(path, scale);
    const file = await openAdapter(path);
    checkKind(file, base);
    const pairs = pairsOf(file, base);
    const adapter = new Adapter(file, scale, pairs, backend);
    try {
      adapter.#fill(file, pairs, backend);
      return adapter;
    } catch (error) {
      adapter.dispose();
      throw error;
    }
  }

  /** What it adds to a matrix of the model, by the matrix's name in the file. */
  find(name: string): LowRank | undefined {
    return this.#maps.get(name);
  }

  dispose(): void {
    for (const release of this.#release.splice(0).reverse()) release();
  }
}

function paddedRank(rank: number): number {
  return Math.ceil(rank / 8) * 8;
}

/**
 * What a block's key and a verdict say about an adapter: the digest of its file, and the scale unless it is 1.
 * @param memory folder to remember digests in
 */
export async function adapterIdentity({ path, scale = 1 }: AdapterOptions, memory: string): Promise<string> {
  const digest = await weightsDigest(path, memory);
  return scale === 1 ? digest : `${digest} x ${scale}`;
}

function badScale(path: string, scale: number): BlockAttentionError {
  return new BlockAttentionError(
    'INVALID_ARGUMENT',
    `the scale of adapter ${path} is ${scale}: give a number, 1 for the adapter as it was trained`,
  );
}

function invalid(message: string, cause?: unknown): BlockAttentionError {
  return new BlockAttentionError('ADAPTER_INVALID', message, { cause });
}

async function openAdapter(path: string): Promise<GgufFile> {
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

function checkKind(file: GgufFile, base: GgufFile): void {
  const { path } = file;
  const [type, kind] = [file.value('general.type'), file.value('adapter.type')];
  if (type !== 'adapter') {
    throw invalid(`${path} is no adapter but a ${String(type ?? 'model')}: give it as the model, and a LoRA here`);
  }
  if (kind !== 'lora') throw invalid(`${path} is an adapter of type ${String(kind)}: only "lora" is applied`);
  if (file.keys.includes('adapter.alora.invocation_tokens')) {
    throw invalid(`${path} is an activated LoRA, which works from a token on: only plain ones are applied`);
  }
  const [own, wanted] = [file.value('general.architecture'), base.value('general.architecture')];
  if (own !== wanted) {
    throw invalid(
      `${path} is for architecture "${String(own)}", ${base.path} is "${String(wanted)}": use the model it was trained on`,
    );
  }
}

function alphaOf(file: GgufFile): number {
  const alpha = Number(file.value('adapter.lora.alpha') ?? 0);
  if (!Number.isFinite(alpha)) throw invalid(`${file.path}: adapter.lora.alpha is ${alpha}: train or convert it again`);
  return alpha;
}

function pairsOf(file: GgufFile, base: GgufFile): Map<string, Pair> {
  const { path } = file;
  const pairs = new Map<string, Pair>();
  for (const tensor of file.tensors.values()) {
    const [, name, which] = /^(.+)\.lora_([ab])$/.exec(tensor.name) ?? [];
    if (name === undefined) {
      throw invalid(`${path}: tensor ${tensor.name} is no factor of a LoRA: merge the adapter into the model instead`);
    }
    if (which === 'b' && file.tensors.has(`${name}.lora_a`)) continue;
    const [a, b] = [file.tensors.get(`${name}.lora_a`), file.tensors.get(`${name}.lora_b`)];
    if (a === undefined || b === undefined) {
      throw invalid(`${path}: ${tensor.name} has no counterpart: the file is not whole, write or download it again`);
    }
    checkPair(file, base, name, { a, b });
    pairs.set(name, { a, b });
  }
  if (pairs.size === 0) throw invalid(`${path} has no tensors: train or convert it again`);
  return pairs;
}

function checkPair({ path }: GgufFile, base: GgufFile, name: string, { a, b }: Pair): void {
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

function readValues(path: string, bytes: Uint8Array, { name, type, ne, offset, bytes: size }: GgufTensor) {
  const isInteger = type === TensorType.I32 || type === TensorType.I64;
  const values = isInteger ? undefined : dequantize(type, bytes.subarray(offset, offset + size), ne[0]);
  if (values?.every((value) => Number.isFinite(value)) !== true) {
    throw invalid(`${path}: tensor ${name} holds values that are no finite numbers: train or convert it again`);
  }
  return values;
}
