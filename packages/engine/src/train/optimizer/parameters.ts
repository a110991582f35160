/**
 * The weights of a model as trainable tensors: f32 copies of the file's, each with room for its gradient and the two
 * moments of AdamW. Owns all of that memory.
 */
import { Cleanup } from '../../cleanup.ts';
import { BlockAttentionError } from '../../errors.ts';
import type { Backend } from '../../ggml/device/backend.ts';
import type { GgufFile } from '../../ggml/gguf/gguf-file.ts';
import { TensorData } from '../../ggml/gguf/tensor-data.ts';
import { GraphContext } from '../../ggml/graph/graph-context.ts';
import { elementCount, type Tensor, TensorType } from '../../ggml/graph/tensor.ts';
import { loadTrainingKernel, type TrainingKernel } from '../../ggml/native/training-kernel.ts';
import type { AdapterKind } from '../../model/weights/adapter-file.ts';
import type { WeightSource } from '../../model/weights/bind-weights.ts';

/** One tensor that is trained. All four have the same shape, f32. */
export interface Parameter {
  readonly name: string;
  readonly value: Tensor;
  readonly gradient: Tensor;
  /** Running mean of the gradient. */
  readonly mean: Tensor;
  /** Running mean of its square. */
  readonly variance: Tensor;
  /** Whether weight decay applies: to matrices, not to norms and biases. */
  readonly decays: boolean;
}

/** The weights of a model as one way of training sees them. Owns their memory. */
export interface TrainableWeights extends WeightSource {
  /** What is trained: all weights, an adapter that acts on every token, or one that acts where writerGate() says. */
  readonly kind: 'all' | AdapterKind;
  readonly parameters: readonly Parameter[];
  /** Stored transposes of frozen matrices: pairs of matrix [in, out] and transpose [out, in]. */
  readonly transposes: readonly (readonly [Tensor, Tensor])[];
  /** Native nodes to compute with, where there are any. */
  readonly kernel: TrainingKernel | undefined;
  /** Whether frozen weights of less than 32 bits, and what they are multiplied with, are rounded to bf16. */
  readonly rounded: boolean;
  /** Factor of the loss within the graph, a power of two, taken off again at the parameters. */
  readonly lossScale: number;
  /** New values of a tensor of the model's file; undefined when it has not changed. */
  values(name: string): Float32Array | undefined;
  dispose(): void;
}

/** Tables that belong to the rotary embedding: data of the architecture, not weights. */
const constantNames = /^rope_/;

export class FullParameters implements TrainableWeights {
  readonly kind = 'all';
  readonly transposes = [];
  readonly rounded = false;
  readonly lossScale = 1;
  readonly kernel: TrainingKernel | undefined;
  readonly #path: string;
  readonly #backend: Backend;
  readonly #tensors = new Map<string, Tensor>();
  readonly parameters: readonly Parameter[];
  readonly #cleanup = new Cleanup();

  /**
   * @param kernel native nodes to compute with, null for none. Defaults to those there are.
   * @throws MODEL_TOO_LARGE when memory does not suffice
   */
  constructor(file: GgufFile, backend: Backend, kernel: TrainingKernel | null = trainingKernelFor(backend)) {
    this.kernel = kernel ?? undefined;
    this.#path = file.path;
    this.#backend = backend;
    const context = new GraphContext(4 * file.tensors.size + 8);
    this.#cleanup.defer(() => context.dispose());
    const parameters: Parameter[] = [];
    for (const { name, ne } of file.tensors.values()) {
      const make = () => context.tensor(TensorType.F32, ...ne);
      const value = make();
      this.#tensors.set(name, value);
      if (constantNames.test(name)) continue;
      parameters.push({ name, value, gradient: make(), mean: make(), variance: make(), decays: ne[1] > 1 });
    }
    this.parameters = parameters;
    this.#cleanup.defer(backend.allocate(context, `training ${file.path}`));
    using data = new TensorData(file.paths);
    for (const entry of file.tensors.values()) {
      const tensor = this.#tensors.get(entry.name);
      if (tensor) backend.write(tensor, data.values(entry));
    }
    for (const { gradient, mean, variance } of parameters) {
      for (const tensor of [gradient, mean, variance]) backend.clear(tensor);
    }
  }

  find(name: string): Tensor | undefined {
    return this.#tensors.get(name);
  }

  require(name: string, ne0: number, ne1 = 1): Tensor {
    const tensor = this.optional(name, ne0, ne1);
    if (tensor === undefined) {
      throw new BlockAttentionError('MODEL_INVALID', `${this.#path}: tensor ${name} is missing`);
    }
    return tensor;
  }

  matrix(name: string, input: number, output: number): Tensor {
    return this.require(name, input, output);
  }

  optional(name: string, ne0: number, ne1 = 1): Tensor | undefined {
    const tensor = this.#tensors.get(name);
    if (tensor !== undefined && (tensor.ne[0] !== ne0 || elementCount(tensor.ne) !== ne0 * ne1)) {
      throw new BlockAttentionError(
        'MODEL_INVALID',
        `${this.#path}: tensor ${name} is [${tensor.ne.join(',')}], its header asks for [${ne0},${ne1}]`,
      );
    }
    return tensor;
  }

  values(name: string): Float32Array | undefined {
    const tensor = this.#tensors.get(name);
    return tensor === undefined ? undefined : readTensor(this.#backend, tensor);
  }

  dispose(): void {
    this.#cleanup[Symbol.dispose]();
  }
}

/** The native nodes, which compute on the CPU only. */
export function trainingKernelFor(backend: Backend): TrainingKernel | null {
  return (backend.isCpu ? loadTrainingKernel() : undefined) ?? null;
}

export function readTensor(backend: Backend, tensor: Tensor): Float32Array {
  const values = new Float32Array(elementCount(tensor.ne));
  backend.read(tensor, values);
  return values;
}
