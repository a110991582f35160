/**
 * One placed graph of a training step or of an evaluation, for batches of one shape: the forward pass of model/forward
 * on a tape, the loss, and for training the way back, which adds to the parameters' gradients.
 *
 * Built once per shape and run often. Valid until disposed, or until its allocator's memory moves.
 */
import type { Backend, GraphAllocator } from '../../ggml/device/backend.ts';
import type { Tensor } from '../../ggml/graph/tensor.ts';
import { windowsOf } from '../../model/architecture/layer-attention.ts';
import { type Attention, buildForward, type ForwardModel } from '../../model/graph/forward.ts';
import { GraphInputs } from '../../model/graph/graph-inputs.ts';
import type { Batch, BatchShape } from '../data/batch.ts';
import { inFullMode, packMask, packRuns } from '../data/pack-mask.ts';
import type { PackedRows } from '../data/packing.ts';
import { writerGate } from '../data/writer-gate.ts';
import type { TrainableWeights } from '../optimizer/parameters.ts';
import { NativePackedAttention } from './native-packed-attention.ts';
import { PackedAttention } from './packed-attention.ts';
import { responseLoss } from './response-loss.ts';
import { Tape } from './tape.ts';

/** Tensors per layer of forward and backward pass together, generously. */
const tensorsPerLayer = 320;
/** Of a teacher's forward pass. */
const teacherTensors = 80;

export interface GraphResult {
  /** Probability of each label. */
  readonly probabilities: Float32Array; // [outputs]
  /** Likeliest token of each prediction; evaluation only. */
  readonly likeliest: Int32Array; // [outputs]
  /** The same of the teacher's; evaluation with one only. */
  readonly taughtLikeliest: Int32Array; // [outputs]
  /** KL divergence of each prediction from the teacher's; empty without one. */
  readonly divergence: Float32Array; // [outputs]
}

/** A frozen model whose predictions with full attention are to be met. */
export interface Teacher {
  readonly model: ForwardModel;
  /** Share of the divergence in the loss, in (0, 1]; the rest is cross-entropy. */
  readonly weight: number;
}

export class TrainingGraph {
  readonly #backend: Backend;
  readonly #tape: Tape;
  readonly #inputs: GraphInputs;
  readonly #allocator: GraphAllocator;
  readonly #probabilities: Tensor;
  readonly #likeliest: Tensor | undefined;
  readonly #taughtLikeliest: Tensor | undefined;
  readonly #divergence: Tensor | undefined;
  readonly #outputs: number;
  readonly #lossScale: number;
  #batch: Batch | undefined;
  #weights = new Float32Array(0);

  /**
   * @param allocator places the graph; computed is one of its graphs at a time. The caller's
   * @param training whether to differentiate, or only to evaluate
   * @param teacher reads every batch as well, with full attention. Defaults to none
   */
  constructor(
    backend: Backend,
    allocator: GraphAllocator,
    model: ForwardModel,
    trainable: TrainableWeights,
    training: boolean,
    shape: BatchShape,
    teacher?: Teacher,
  ) {
    const { rows, rowTokens, outputs } = shape;
    const { layers, vocabulary } = model.hyperParameters;
    this.#backend = backend;
    this.#outputs = outputs;
    const parameters = training ? trainable.parameters : [];
    this.#lossScale = trainable.lossScale;
    const { kernel, rounded } = trainable;
    const perLayer = tensorsPerLayer + (teacher === undefined ? 0 : teacherTensors);
    this.#tape = new Tape(perLayer * layers + 2 * parameters.length + 256, kernel, rounded);
    this.#inputs = new GraphInputs(this.#tape);
    this.#allocator = allocator;
    try {
      const g = this.#tape;
      const inputs = this.#inputs;
      for (const { value, gradient } of parameters) g.parameter(value, gradient, 1 / trainable.lossScale);
      for (const [matrix, transposed] of trainable.transposes) g.transposeOf(matrix, transposed);
      const tokens = rows * rowTokens;
      const positions = inputs.integers(tokens, () => this.#current.positions);
      const windows = windowsOf(model.hyperParameters.attention).filter((window) => window < rowTokens);
      const byWindow = <T>(make: (window: number) => T) => new Map(windows.map((window) => [window, make(window)]));
      const makeAttention = (packed: () => PackedRows): Attention => {
        const layout = { rows, rowTokens, positions };
        if (kernel === undefined) {
          const maskOf = (reach: number) => {
            const input = inputs.half(rowTokens, rowTokens * rows, () => packMask(packed(), reach));
            return g.reshape(input, rowTokens, rowTokens, 1, rows);
          };
          return new PackedAttention(g, { ...layout, mask: maskOf(0), windowMasks: byWindow(maskOf) });
        }
        const runsOf = (reach: number) => inputs.integers(4 * tokens, () => packRuns(packed(), reach));
        const runs = { runs: runsOf(0), windowRuns: byWindow(runsOf) };
        return new NativePackedAttention(g, inputs, kernel, { ...layout, ...runs });
      };
      const tokenInput = inputs.integers(tokens, () => this.#current.tokens);
      const outputRows = inputs.integers(outputs, () => this.#current.outputRows);
      const gate = trainable.kind === 'writer' && inputs.floats([1, tokens], () => writerGate(this.#current.packed));
      const forward = (read: ForwardModel, packed: () => PackedRows, written: Tensor | false = false): Tensor => {
        const logits = buildForward(
          g,
          read,
          tokenInput,
          outputRows,
          makeAttention(packed),
          undefined,
          written || undefined,
        );
        if (logits === null) throw new Error('a forward pass with outputs has logits');
        return logits;
      };
      // Computed first, so that nothing but its result is kept while the model itself is.
      const taught =
        teacher &&
        g.silently(() =>
          g.expand(
            g.softMax(
              forward(teacher.model, () => inFullMode(this.#current.packed)),
              null,
              1,
            ),
          ),
        );
      const logits = forward(model, () => this.#current.packed, gate);
      const at = () => this.#current.labels.map((label, output) => output * vocabulary + label);
      const { softmax, probabilities, divergence, gradient } = responseLoss(g, logits, {
        labels: inputs.integers(outputs, at),
        labelRows: inputs.rows(outputs, () => BigInt64Array.from(at(), BigInt)),
        weights: inputs.floats([1, outputs], () => this.#weights.map((weight) => weight * this.#lossScale)),
        teacher: teacher && taught && { probabilities: taught, weight: teacher.weight },
      });
      this.#divergence = divergence;
      this.#probabilities = probabilities;
      this.#likeliest = !training ? g.output(g.argmax(softmax)) : undefined;
      this.#taughtLikeliest = taught && !training ? g.output(g.argmax(taught)) : undefined;
      if (training) g.backward(logits, gradient());
      this.#allocator.place(g);
    } catch (error) {
      this.dispose();
      throw error;
    }
  }

  get #current(): Batch {
    if (this.#batch === undefined) throw new Error('a training graph needs a batch');
    return this.#batch;
  }

  /** @param weights factor of each prediction in the loss, [outputs] */
  async run(batch: Batch, weights: Float32Array<ArrayBuffer>): Promise<GraphResult> {
    this.#batch = batch;
    this.#weights = weights;
    this.#inputs.write(this.#backend);
    await this.#allocator.compute(this.#tape);
    const probabilities = new Float32Array(this.#outputs);
    this.#backend.read(this.#probabilities, probabilities);
    const integers = (from: Tensor | undefined) => {
      const values = new Int32Array(from === undefined ? 0 : this.#outputs);
      if (from !== undefined) this.#backend.read(from, values);
      return values;
    };
    const [likeliest, taughtLikeliest] = [integers(this.#likeliest), integers(this.#taughtLikeliest)];
    const divergence = new Float32Array(this.#divergence === undefined ? 0 : this.#outputs);
    if (this.#divergence !== undefined) this.#backend.read(this.#divergence, divergence);
    return { probabilities, likeliest, taughtLikeliest, divergence };
  }

  dispose(): void {
    this.#inputs.dispose();
    this.#tape.dispose();
  }
}
