/**
 * AdamW with decoupled weight decay, after clipping the gradient to a length. Two small graphs, built once: one measures
 * the gradient, one changes the weights. Nothing changes when the gradient is not finite.
 */
import type { Backend, GraphAllocator } from '../../ggml/device/backend.ts';
import { GradientGraph } from '../../ggml/graph/gradient-graph.ts';
import { elementCount, type Tensor } from '../../ggml/graph/tensor.ts';
import { GraphInputs } from '../../model/graph/graph-inputs.ts';
import type { Parameter } from './parameters.ts';

export interface AdamWSettings {
  readonly beta1: number;
  readonly beta2: number;
  readonly epsilon: number;
  readonly weightDecay: number;
  /** Longest gradient; longer ones are shortened to it. Infinity: no limit. */
  readonly clip: number;
}

interface Placed {
  readonly graph: GradientGraph;
  readonly inputs: GraphInputs;
  readonly allocator: GraphAllocator;
}

export class AdamW {
  readonly #backend: Backend;
  readonly #parameters: readonly Parameter[];
  readonly #settings: AdamWSettings;
  readonly #measure: Placed;
  readonly #squares: readonly Tensor[];
  readonly #updates = new Map<boolean, Placed>();
  /** Steps taken. */
  steps = 0;
  #learningRate = 0;
  #factor = Float32Array.of(1);

  constructor(backend: Backend, parameters: readonly Parameter[], settings: AdamWSettings) {
    this.#backend = backend;
    this.#parameters = parameters;
    this.#settings = settings;
    const graph = new GradientGraph(6 * parameters.length + 16);
    this.#squares = parameters.map(({ gradient }) => {
      const flat = graph.reshape(gradient, elementCount(gradient.ne));
      return graph.output(graph.mulMat(flat, flat));
    });
    this.#measure = this.#place(graph, new GraphInputs(graph));
  }

  #place(graph: GradientGraph, inputs: GraphInputs): Placed {
    const allocator = this.#backend.allocator();
    allocator.place(graph);
    return { graph, inputs, allocator };
  }

  /** Euclidean length of all gradients together; NaN or infinite when one of them is. */
  async gradientNorm(): Promise<number> {
    await this.#measure.allocator.compute(this.#measure.graph);
    const square = new Float32Array(1);
    let sum = 0;
    for (const tensor of this.#squares) {
      this.#backend.read(tensor, square);
      sum += square[0] ?? 0;
    }
    return Math.sqrt(sum);
  }

  /** One step along the gradients, which are then set to zero. @param norm what gradientNorm() said */
  async step(learningRate: number, norm: number): Promise<void> {
    const { clip } = this.#settings;
    const clipped = norm > clip;
    this.steps++;
    this.#learningRate = learningRate;
    this.#factor = Float32Array.of(clipped ? clip / norm : 1);
    let update = this.#updates.get(clipped);
    if (update === undefined) {
      update = this.#buildUpdate(clipped);
      this.#updates.set(clipped, update);
    }
    update.inputs.write(this.#backend);
    await update.allocator.compute(update.graph);
    this.clearGradients();
  }

  clearGradients(): void {
    for (const { gradient } of this.#parameters) this.#backend.clear(gradient);
  }

  #buildUpdate(clipped: boolean): Placed {
    const graph = new GradientGraph(4 * this.#parameters.length + 16);
    const inputs = new GraphInputs(graph);
    const settings = (decay: number) => inputs.floats([7], () => this.#stepSettings(decay));
    const decaying = settings(this.#settings.weightDecay);
    const plain = settings(0);
    const factor = inputs.floats([1], () => this.#factor);
    for (const { value, gradient, mean, variance, decays } of this.#parameters) {
      const direction = clipped ? graph.mul(gradient, factor) : gradient;
      graph.expand(graph.adamwStep(value, direction, mean, variance, decays ? decaying : plain));
    }
    return this.#place(graph, inputs);
  }

  #stepSettings(decay: number): Float32Array {
    const { beta1, beta2, epsilon } = this.#settings;
    const t = this.steps;
    return Float32Array.of(
      this.#learningRate,
      beta1,
      beta2,
      epsilon,
      decay,
      1 / (1 - beta1 ** t),
      1 / (1 - beta2 ** t),
    );
  }

  dispose(): void {
    for (const { graph, inputs, allocator } of [this.#measure, ...this.#updates.values()]) {
      allocator.dispose();
      inputs.dispose();
      graph.dispose();
    }
  }
}
