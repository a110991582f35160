/**
 * A loaded model: hyper-parameters, weights and tokenizer-independent identity. Immutable; one per engine.
 */

import { BlockAttentionError } from '../errors.ts';
import type { Backend } from '../ggml/device/backend.ts';
import { type GgufFile, openGguf } from '../ggml/gguf/gguf-file.ts';
import type { GraphContext } from '../ggml/graph/graph-context.ts';
import { type Tensor, typeName } from '../ggml/graph/tensor.ts';
import { loadNativeKernel, type NativeKernel } from '../ggml/native/native-kernel.ts';
import { type HyperParameters, readHyperParameters } from './architecture/hyper-parameters.ts';
import { mixersOf } from './architecture/mixers.ts';
import { ropeContextLimit } from './architecture/rope.ts';
import type { ForwardModel } from './graph/forward.ts';
import { type Adapter, type AdapterOptions, loadAdapters } from './weights/adapter.ts';
import { bindWeights } from './weights/bind-weights.ts';
import type { NamedWeights } from './weights/layers.ts';
import {
  chooseLinear,
  className,
  type DecodedRows,
  type LinearClass,
  type LinearDecision,
} from './weights/linear-choice.ts';
import { decodesWith, type LinearPath, nativeLinear } from './weights/linear-native.ts';
import { LinearTimer, linearClasses, linearMachine } from './weights/measure-linear.ts';
import { splitLatentMaps } from './weights/split-latent.ts';
import { Weights } from './weights/weights.ts';

export interface ModelOptions {
  /** Rearrange quantised weights for the CPU's widest kernels, as llama.cpp does. Defaults to true. */
  readonly repack?: boolean | undefined;
  /**
   * How linear layers are computed. `native`: by the native kernel where it is built and fits. `ggml`: by
   * ggml. `auto`: by the faster for weights of each type and length, which is measured. Defaults to `native`.
   */
  readonly linear?: 'auto' | 'native' | 'ggml' | undefined;
  /** Folder where `auto` remembers what it measured. Defaults to none. */
  readonly linearFolder?: string | undefined;
  /** Change the model while it runs: at most one of each kind. Defaults to none. */
  readonly adapter?: AdapterOptions | readonly AdapterOptions[] | undefined;
}

export class Model implements ForwardModel {
  readonly file: GgufFile;
  readonly backend: Backend;
  readonly hyperParameters: HyperParameters;
  readonly weights: NamedWeights;
  readonly parameters: number;
  /** Another way than ggml's to multiply, for one graph. @param rows what it decodes; undefined for a prompt's */
  readonly linear: ((g: GraphContext, rows: DecodedRows | undefined) => LinearPath) | undefined;
  /** Which path takes which weights, and why; empty where there is no native kernel. */
  readonly linearDecisions: readonly LinearDecision[];
  readonly #storage: Weights;
  readonly #kernel: NativeKernel | undefined;

  private constructor(
    file: GgufFile,
    backend: Backend,
    hyperParameters: HyperParameters,
    storage: Weights,
    kernel: NativeKernel | undefined,
    decisions: readonly LinearDecision[],
  ) {
    this.file = file;
    this.backend = backend;
    this.hyperParameters = hyperParameters;
    this.#storage = storage;
    this.parameters = storage.parameters;
    this.#kernel = kernel;
    this.linearDecisions = decisions;
    const ggmls = new Set(decisions.filter(({ path }) => path === 'ggml').map(className));
    this.linear =
      kernel &&
      ((g, rows) => {
        const takes = (weight: Tensor) =>
          (rows === undefined || decodesWith(kernel, weight, rows)) &&
          !ggmls.has(className({ type: typeName(weight.type), inputs: weight.ne[0], experts: weight.ne[2] > 1, rows }));
        return nativeLinear(kernel, g, { takes, decodes: rows !== undefined });
      });
    this.weights = bindWeights(storage, hyperParameters);
  }

  /** Whether the file has lost a part of the weights since it was loaded: then nothing computed is right. */
  get damaged(): boolean {
    return this.#storage.damaged;
  }

  /** What changes the weights while they are used: at most one of each kind. */
  get adapters(): readonly Adapter[] {
    return this.#storage.applied;
  }

  /** Of them the one that acts on every token. */
  get adapter(): Adapter | undefined {
    return this.adapters.find(({ kind }) => kind === 'lora');
  }

  /** Of them the one that acts on passages while they are encoded: only where a graph is told so. */
  get writer(): Adapter | undefined {
    return this.adapters.find(({ kind }) => kind === 'writer');
  }

  /**
   * Loads a GGUF file. Weights are memory-mapped on the CPU. @param from its path, or its header that was read already
   * @throws MODEL_NOT_FOUND, MODEL_INVALID, MODEL_UNSUPPORTED, MODEL_TOO_LARGE, ADAPTER_INVALID; INVALID_ARGUMENT for an
   * unknown path of linear layers
   */
  static async load(from: string | GgufFile, backend: Backend, options: ModelOptions = {}): Promise<Model> {
    const { linear } = options;
    if (linear !== undefined && !linearPaths.includes(linear)) {
      throw new BlockAttentionError('INVALID_ARGUMENT', `linear is ${linear}: use ${linearPaths.join(', ')}`);
    }
    const file = typeof from === 'string' ? await openGguf(from) : from;
    const hyperParameters = readHyperParameters(file);
    const adapters = await loadAdapters([options.adapter ?? []].flat(), file, backend);
    let storage: Weights | undefined;
    try {
      storage = new Weights(file, backend, options.repack ?? true, adapters, true);
      splitLatentMaps(storage, file, backend, hyperParameters);
      const kernel = backend.isCpu && options.linear !== 'ggml' ? loadNativeKernel() : undefined;
      const decisions = kernel ? await decideLinear(file, backend, kernel, options) : [];
      return new Model(file, backend, hyperParameters, storage, kernel, decisions);
    } catch (error) {
      if (storage === undefined) for (const adapter of adapters) adapter.dispose();
      else storage.dispose();
      throw error;
    }
  }

  /**
   * The context to use: what was asked for, or what the model was trained for.
   * @throws MODEL_UNSUPPORTED beyond the short range of longrope; INVALID_ARGUMENT for anything but a positive integer.
   */
  contextTokens(wanted?: number): number {
    const limit = Math.min(
      ...this.hyperParameters.attention.map(({ rope }) => (rope ? ropeContextLimit(rope) : Infinity)),
    );
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
    const part = { ...hp, layers, ...mixersOf(hp.mixers.slice(0, layers)) };
    return new Model(this.file, this.backend, part, this.#storage, this.#kernel, this.linearDecisions);
  }

  dispose(): void {
    this.#storage.dispose();
  }
}

const linearPaths: readonly string[] = ['auto', 'native', 'ggml'];
/** Matrices of fewer weights are multiplied in less time than a measurement takes. */
const smallWeights = 16e6;

async function decideLinear(
  file: GgufFile,
  backend: Backend,
  kernel: NativeKernel,
  { linear = 'native', linearFolder: folder, repack = true }: ModelOptions,
): Promise<LinearDecision[]> {
  const { classes, weights } = linearClasses(file, kernel);
  if (linear !== 'auto' || weights < smallWeights) {
    const asked = linear !== 'auto';
    // Of small ones a single row takes less time than a second node.
    const pathOf = ({ rows }: LinearClass) => (rows === 'one' && !asked ? 'ggml' : 'native');
    return classes.map((one) => ({ ...one, path: pathOf(one), reason: asked ? 'asked' : 'small' }));
  }
  using timer = new LinearTimer(backend, kernel, repack);
  // Awaited here: the timer's memory goes when this function returns.
  return await chooseLinear({ classes, time: timer.time, machine: linearMachine(backend, kernel, repack), folder });
}
