/**
 * A LoRA adapter, applied while the model runs: y = W x + scale · alpha / rank · B (A x).
 *
 * The model's own weights stay as they lie, quantised or not. All that the file changes is applied, its factors in f32,
 * with zeros up to a rank that the native linear layers take: a row's result must not depend on how many others are in
 * its batch. Valid until `dispose()`.
 *
 * Which tokens it acts on is its kind's matter and the forward pass's: see AdapterKind.
 */
import { Cleanup } from '../../cleanup.ts';
import { BlockAttentionError } from '../../errors.ts';
import type { Backend } from '../../ggml/device/backend.ts';
import type { GgufFile } from '../../ggml/gguf/gguf-file.ts';
import { GraphContext } from '../../ggml/graph/graph-context.ts';
import { TensorType } from '../../ggml/graph/tensor.ts';
import { AdapterFile, type AdapterKind } from './adapter-file.ts';
import type { LowRank } from './layers.ts';
import { weightsDigest } from './weights-digest.ts';

export interface AdapterOptions {
  /** Path of a LoRA's GGUF, such as `finetune --lora` writes. */
  readonly path: string;
  /** What the change is multiplied by, besides alpha / rank. Defaults to 1; 0 leaves the model as it is. */
  readonly scale?: number | undefined;
}

export class Adapter {
  readonly path: string;
  readonly scale: number;
  readonly kind: AdapterKind;
  /** The greatest of its maps. */
  readonly rank: number;
  readonly #file: AdapterFile;
  readonly #maps = new Map<string, LowRank>();
  readonly #cleanup = new Cleanup();

  private constructor(file: AdapterFile, scale: number, backend: Backend) {
    const { path, shapes } = file;
    this.#file = file;
    this.path = path;
    this.scale = scale;
    this.kind = file.kind;
    this.rank = Math.max(...Array.from(shapes.values(), ({ rank }) => rank));
    const context = new GraphContext(2 * shapes.size + 8);
    this.#cleanup.defer(() => context.dispose());
    for (const [name, { inputs, outputs, rank }] of shapes) {
      const tensor = (ne0: number, ne1: number) => context.tensor(TensorType.F32, ne0, ne1);
      const padded = paddedRank(rank);
      // The factor becomes part of b.
      this.#maps.set(name, { a: tensor(inputs, padded), b: tensor(padded, outputs), scale: 1 });
    }
    try {
      this.#cleanup.defer(backend.allocate(context, `adapter ${path}`));
    } catch (error) {
      this.dispose();
      throw error;
    }
  }

  /** A value of the file's metadata. */
  metadata(key: string): ReturnType<AdapterFile['metadata']> {
    return this.#file.metadata(key);
  }

  #fill(file: AdapterFile, backend: Backend): void {
    file.read((name, a, b, { rank, outputs, factor }) => {
      const map = this.#maps.get(name);
      if (map === undefined) return;
      const total = factor * this.scale;
      const values = b.map((value) => value * total);
      if (!values.every((value) => Number.isFinite(value))) throw badScale(file.path, this.scale);
      const padded = new Float32Array(map.b.ne[0] * outputs);
      for (let row = 0; row < outputs; row++) {
        padded.set(values.subarray(row * rank, (row + 1) * rank), row * map.b.ne[0]);
      }
      backend.write(map.b, padded);
      backend.clear(map.a);
      backend.write(map.a, a);
    });
  }

  /**
   * @param base the file of the model it is for
   * @throws MODEL_NOT_FOUND; ADAPTER_INVALID when it is not a LoRA, damaged, or not for this model; INVALID_ARGUMENT for a
   *   scale that is not a number
   */
  static async load({ path, scale = 1 }: AdapterOptions, base: GgufFile, backend: Backend): Promise<Adapter> {
    if (!Number.isFinite(scale)) throw badScale(path, scale);
    const file = await AdapterFile.open(path, base);
    const adapter = new Adapter(file, scale, backend);
    try {
      adapter.#fill(file, backend);
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
    this.#cleanup[Symbol.dispose]();
  }
}

/**
 * The adapters of one model, at most one of each kind: a writer may act beside an ordinary one.
 * @throws what Adapter.load() does; INVALID_ARGUMENT for two of one kind
 */
export async function loadAdapters(
  all: readonly AdapterOptions[],
  base: GgufFile,
  backend: Backend,
): Promise<readonly Adapter[]> {
  const loaded: Adapter[] = [];
  try {
    for (const options of all) {
      const adapter = await Adapter.load(options, base, backend);
      const same = loaded.find(({ kind }) => kind === adapter.kind);
      loaded.push(adapter);
      if (same !== undefined) throw twice(same, adapter);
    }
    return loaded;
  } catch (error) {
    for (const adapter of loaded) adapter.dispose();
    throw error;
  }
}

function twice(one: Adapter, { path, kind }: Adapter): BlockAttentionError {
  const what = kind === 'writer' ? 'writers' : 'ordinary adapters';
  const remedy = 'give at most one of each kind, or merge an ordinary one into the model';
  return new BlockAttentionError('INVALID_ARGUMENT', `${one.path} and ${path} are both ${what}: ${remedy}`);
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
