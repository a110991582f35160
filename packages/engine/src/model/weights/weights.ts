/**
 * The weights of a model as tensors: mapped from the file where the device reads host memory, uploaded elsewhere.
 *
 * Immutable and shared by every graph. Owns the mapping, the device buffer and the adapters; valid until `dispose()`.
 */

import { totalmem } from 'node:os';
import { Cleanup } from '../../cleanup.ts';
import { BlockAttentionError } from '../../errors.ts';
import type { Backend } from '../../ggml/device/backend.ts';
import type { GgufFile } from '../../ggml/gguf/gguf-file.ts';
import { TensorData } from '../../ggml/gguf/tensor-data.ts';
import { GraphContext } from '../../ggml/graph/graph-context.ts';
import { type Shape, type Tensor, type TensorType, typeName } from '../../ggml/graph/tensor.ts';
import type { Adapter } from './adapter.ts';
import type { AdapterKind } from './adapter-file.ts';
import type { LowRank } from './layers.ts';

/** Of the machine's memory, how much a file may have whose experts are copied. */
const roomForExperts = 0.6;

/** A tensor made from others. */
export interface MadeTensor {
  readonly name: string;
  readonly type: TensorType;
  readonly ne: Shape;
  /** As it would lie in a file. */
  readonly data: Uint8Array;
}

export class Weights {
  readonly #path: string;
  readonly #tensors = new Map<string, Tensor>();
  /** Copies that matrix products read faster, by name. */
  readonly #repacked = new Map<string, Tensor>();
  readonly #cleanup = new Cleanup();
  #isDamaged = () => false;
  /** Number of weights, the embedding counted once. */
  readonly parameters: number;
  /** What changes them while they are used: at most one of each kind. */
  readonly applied: readonly Adapter[];

  /**
   * @param repack rearrange matrices for the CPU's widest kernels, at the price of a copy in memory
   * @param applied at most one of each kind; taken over, to be freed with the weights. Defaults to none
   * @param guarded whoever computes with them asks for `damaged` afterwards. Defaults to false
   * @throws MODEL_TOO_LARGE when the file is larger than the machine's memory, or the device's
   */
  constructor(file: GgufFile, backend: Backend, repack: boolean, applied: readonly Adapter[] = [], guarded = false) {
    if (file.bytes > totalmem()) {
      throw new BlockAttentionError(
        'MODEL_TOO_LARGE',
        `${file.path} has ${file.bytes} bytes, this machine has ${totalmem()} of memory: take a smaller quantisation`,
      );
    }
    this.#path = file.path;
    this.applied = applied;
    try {
      this.parameters = this.#load(file, backend, repack, guarded);
    } catch (error) {
      this.#cleanup[Symbol.dispose]();
      throw error;
    }
  }

  /** @returns the number of weights */
  #load(file: GgufFile, backend: Backend, repack: boolean, guarded: boolean): number {
    const data = new TensorData(file.paths, { guarded: guarded && backend.isCpu });
    this.#cleanup.use(data);
    const context = new GraphContext(2 * file.tensors.size + 8);
    this.#cleanup.defer(() => context.dispose());
    let parameters = 0;
    for (const entry of file.tensors.values()) {
      const tensor = backend.isCpu
        ? backend.placed(context, entry.type, entry.ne, backend.hostMemory(data.addressOf(entry)), 0)
        : context.tensor(entry.type, ...entry.ne);
      this.#tensors.set(entry.name, tensor);
      parameters += entry.ne[0] * entry.ne[1] * entry.ne[2] * entry.ne[3];
    }
    if (backend.isCpu) {
      this.#isDamaged = () => data.damaged;
      if (repack) this.#repack(file, backend, context, data);
      return parameters;
    }
    this.#cleanup.defer(backend.allocate(context, `the weights of ${file.path}`));
    for (const entry of file.tensors.values()) {
      const tensor = this.#tensors.get(entry.name);
      if (tensor) backend.write(tensor, data.bytes(entry));
    }
    data[Symbol.dispose]();
    return parameters;
  }

  #repack(file: GgufFile, backend: Backend, context: GraphContext, data: TensorData): void {
    const repacker = backend.repacker();
    const ownHead = file.tensors.has('output.weight');
    // Most of a mixture's weights are its experts': without room for a second copy they stay as they lie in the file.
    const hasRoom = file.bytes <= roomForExperts * totalmem();
    for (const entry of file.tensors.values()) {
      const { name, type, ne } = entry;
      const isMatrix = name.endsWith('.weight') && ne[0] > 1 && ne[1] > 1 && ne[2] === 1;
      const isExperts = name.endsWith('_exps.weight') && ne[2] > 1 && hasRoom;
      if (!(isMatrix || isExperts) || (name === 'token_embd.weight' && ownHead)) continue;
      const copy = repacker?.repack(context, type, ne, data.bytes(entry));
      if (copy === undefined) continue;
      this.#repacked.set(name, copy.tensor);
      this.#cleanup.defer(() => copy.release());
    }
  }

  /** Adds tensors that the file does not have, in memory of their own. @throws MODEL_TOO_LARGE */
  add(backend: Backend, made: readonly MadeTensor[]): void {
    const context = new GraphContext(made.length + 8);
    this.#cleanup.defer(() => context.dispose());
    const tensors = made.map(({ name, type, ne, data }) => ({ name, data, tensor: context.tensor(type, ...ne) }));
    this.#cleanup.defer(backend.allocate(context, `weights made from ${this.#path}`));
    for (const { name, data, tensor } of tensors) {
      backend.write(tensor, data);
      this.#tensors.set(name, tensor);
    }
  }

  /** Whether the mapped file has lost a part that was read since: what is computed is wrong. */
  get damaged(): boolean {
    return this.#isDamaged();
  }

  /** The tensor to multiply with: `require()`d, or its repacked copy. @param count of matrices, one behind the other */
  matrix(name: string, input: number, output: number, count = 1): Tensor {
    const plain = this.require(name, input, output, count);
    return this.#repacked.get(name) ?? plain;
  }

  /** What an ordinary adapter adds to a matrix, by the matrix's name in the file. */
  adapter(name: string): LowRank | undefined {
    return this.#change('lora', name);
  }

  /** What a writer adds to it. */
  writer(name: string): LowRank | undefined {
    return this.#change('writer', name);
  }

  #change(kind: AdapterKind, name: string): LowRank | undefined {
    return this.applied.find((adapter) => adapter.kind === kind)?.find(name);
  }

  /** A tensor by its name in the file. */
  find(name: string): Tensor | undefined {
    return this.#tensors.get(name);
  }

  /** A tensor of exactly this shape. @throws MODEL_INVALID when it is missing or has another shape. */
  require(name: string, ne0: number, ne1 = 1, ne2 = 1, ne3 = 1): Tensor {
    const tensor = this.optional(name, ne0, ne1, ne2, ne3);
    if (tensor === undefined)
      throw new BlockAttentionError('MODEL_INVALID', `${this.#path}: tensor ${name} is missing`);
    return tensor;
  }

  /** Like require(), but absence is fine. */
  optional(name: string, ne0: number, ne1 = 1, ne2 = 1, ne3 = 1): Tensor | undefined {
    const tensor = this.#tensors.get(name);
    const wanted: Shape = [ne0, ne1, ne2, ne3];
    if (tensor !== undefined && wanted.some((n, i) => n !== tensor.ne[i])) {
      throw new BlockAttentionError(
        'MODEL_INVALID',
        `${this.#path}: tensor ${name} is ${typeName(tensor.type)} [${tensor.ne.join(',')}], its header asks for [${wanted.join(',')}]`,
      );
    }
    return tensor;
  }

  dispose(): void {
    for (const adapter of this.applied) adapter.dispose();
    this.#cleanup[Symbol.dispose]();
  }
}
