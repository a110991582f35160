/**
 * A loaded model: hyper-parameters, weights and tokenizer-independent identity. Immutable; one per engine.
 */

import { BlockAttentionError } from '../errors.ts';
import type { Backend } from '../ggml/backend.ts';
import { type GgufFile, openGguf } from '../ggml/gguf-file.ts';
import type { GraphContext } from '../ggml/graph-context.ts';
import { loadNativeKernel, type NativeKernel } from '../ggml/native-kernel.ts';
import { Adapter, type AdapterOptions } from './adapter.ts';
import type { ForwardModel } from './forward.ts';
import { type HyperParameters, readHyperParameters } from './hyper-parameters.ts';
import { bindWeights, type NamedWeights } from './layers.ts';
import { type LinearPath, nativeLinear } from './linear-native.ts';
import { ropeContextLimit } from './rope.ts';
import { Weights } from './weights.ts';

export interface ModelOptions {
  /** Rearrange quantised weights for the CPU's widest kernels, as llama.cpp does. Defaults to true. */
  readonly repack?: boolean | undefined;
  /**
   * How linear layers of many rows are computed: `auto` takes the native kernel where it is built and fits, `ggml` never.
   * Defaults to `auto`.
   */
  readonly linear?: 'auto' | 'ggml' | undefined;
  /** Changes the model while it runs. Defaults to none. */
  readonly adapter?: AdapterOptions | undefined;
}

export class Model implements ForwardModel {
  readonly file: GgufFile;
  readonly backend: Backend;
  readonly hyperParameters: HyperParameters;
  readonly weights: NamedWeights;
  readonly parameters: number;
  /** Another way than ggml's to multiply the rows of a prompt, for one graph. */
  readonly linear: ((g: GraphContext) => LinearPath) | undefined;
  readonly #storage: Weights;
  readonly #kernel: NativeKernel | undefined;

  private constructor(
    file: GgufFile,
    backend: Backend,
    hyperParameters: HyperParameters,
    storage: Weights,
    kernel: NativeKernel | undefined,
  ) {
    this.file = file;
    this.backend = backend;
    this.hyperParameters = hyperParameters;
    this.#storage = storage;
    this.parameters = storage.parameters;
    this.#kernel = kernel;
    this.linear = kernel && ((g) => nativeLinear(kernel, g));
    this.weights = bindWeights(storage, hyperParameters);
  }

  /** Whether the file has lost a part of the weights since it was loaded: then nothing computed is right. */
  get damaged(): boolean {
    return this.#storage.damaged;
  }

  /** What changes the weights while they are used. */
  get adapter(): Adapter | undefined {
    return this.#storage.applied;
  }

  /**
   * Loads a GGUF file. Weights are memory-mapped on the CPU.
   * @throws MODEL_NOT_FOUND, MODEL_INVALID, MODEL_UNSUPPORTED, MODEL_TOO_LARGE, ADAPTER_INVALID
   */
  static async load(path: string, backend: Backend, options: ModelOptions = {}): Promise<Model> {
    const file = await openGguf(path);
    const hyperParameters = readHyperParameters(file);
    const adapter = options.adapter && (await Adapter.load(options.adapter, file, backend));
    let storage: Weights | undefined;
    try {
      storage = new Weights(file, backend, options.repack ?? true, adapter, true);
      const kernel = backend.isCpu && options.linear !== 'ggml' ? loadNativeKernel() : undefined;
      return new Model(file, backend, hyperParameters, storage, kernel);
    } catch (error) {
      if (storage === undefined) adapter?.dispose();
      else storage.dispose();
      throw error;
    }
  }

  /**
   * The context to use: what was asked for, or what the model was trained for.
   * @throws MODEL_UNSUPPORTED beyond the short range of longrope; INVALID_ARGUMENT for anything but a positive integer.
   */
  contextTokens(wanted?: number): number {
    const limit = Math.min(...this.hyperParameters.ropes.map((rope) => (rope ? ropeContextLimit(rope) : Infinity)));
    if (wanted === undefined) return Math.min(this.hyperParameters.trainedContext, limit);
    if (!Number.isInteger(wanted) || wanted < 1) {
      throw new BlockAttentionError('INVALID_ARGUMENT', `contextTokens is ${wanted}: give a positive integer`);
    }
    if (wanted > limit) {
      throw new BlockAttentionError(
        'MODEL_UNSUPPORTED',
        `contextTokens is ${wanted}: this model's longrope frequencies change beyond ${limit} tokens, which would make stored blocks wrong: use at most ${limit}`,
      );
    }
    return wanted;
  }

  /**
   * The same model without its last layers, over the same weights: states of its last layer can be computed, logits
   * mean nothing. Valid until the model is disposed; needs no disposal.
   */
  firstLayers(layers: number): Model {
    const { hyperParameters: hp } = this;
    const part = { ...hp, layers, ropes: hp.ropes.slice(0, layers), windowed: hp.windowed.slice(0, layers) };
    return new Model(this.file, this.backend, part, this.#storage, this.#kernel);
  }

  dispose(): void {
    this.#storage.dispose();
  }
}
