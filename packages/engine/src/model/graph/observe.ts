/**
 * What new tokens of a sequence attend to in its context. The pass stops where the last states are written: nothing is
 * predicted. Early layers attend as the path does; in late ones the weights are needed themselves.
 */
import type { GraphAllocator } from '../../ggml/device/backend.ts';
import type { Tensor } from '../../ggml/graph/tensor.ts';
import type { LayerAttention } from '../architecture/layer-attention.ts';
import { isConvolution } from '../architecture/mixers.ts';
import type { LayerConvolution } from '../architecture/short-convolution.ts';
import { ContextWeights } from '../attention/context-weights.ts';
import type { Sequence } from '../kv/sequence.ts';
import type { Model } from '../model.ts';
import { type Attention, statefulLayers } from './forward.ts';
import { ForwardGraph } from './graph-run.ts';
import { type AttentionFactory, tensorBound } from './step.ts';

/** Late layers, as a share of those that run: early ones attend to neighbours and to sinks. */
const lateShare = 0.25;
/** Tensors that looking at a layer adds to it. */
const observingTensors = 24;

/** The first of the layers that are looked at, counted among those that attend: the last ones of those that write states. */
export function firstLateLayer({ hyperParameters }: Pick<Model, 'hyperParameters'>): number {
  const reached = hyperParameters.mixers.slice(0, statefulLayers(hyperParameters)).filter((one) => !isConvolution(one));
  return reached.length - Math.max(1, Math.round(lateShare * reached.length));
}

/**
 * Runs new tokens of a sequence and advances it.
 * @returns per context block, per token: the attention that it gets, summed over late layers, new tokens and heads
 */
export async function observeContext(
  model: Model,
  attention: AttentionFactory,
  allocator: GraphAllocator,
  { sequence, tokens }: { readonly sequence: Sequence; readonly tokens: Int32Array },
): Promise<Float64Array[]> {
  const weights = new ContextWeights();
  const rows = [{ sequence, row: 0, tokens: tokens.length }];
  const graph = new ForwardGraph(
    {
      model,
      attentionTensors: tensorBound(attention, [sequence]) + observingTensors,
      tokens: { length: tokens.length, data: () => tokens },
      outputs: null,
      prompt: true,
      attention: (g, inputs) =>
        new LateAttention(
          attention(g, inputs, rows),
          attention.observed(g, inputs, rows, weights),
          firstLateLayer(model),
        ),
    },
    allocator,
  );
  try {
    await graph.run();
    sequence.advance(tokens.length);
    return weights.read(model.backend, sequence.blocks);
  } finally {
    graph.dispose();
  }
}

/** One way to attend in early layers, another in those from `first` on. */
class LateAttention implements Attention {
  readonly #early: Attention;
  readonly #late: Attention;
  readonly #first: number;
  /** Layers of the graph so far. */
  #layers = 0;

  constructor(early: Attention, late: Attention, first: number) {
    this.#early = early;
    this.#late = late;
    this.#first = first;
  }

  attend(layer: LayerAttention, q: Tensor, k: Tensor | undefined, v: Tensor | undefined): Tensor {
    const attention = this.#layers++ < this.#first ? this.#early : this.#late;
    return attention.attend(layer, q, k, v);
  }

  convolve(layer: LayerConvolution, x: Tensor): Tensor {
    return this.#early.convolve(layer, x);
  }
}
