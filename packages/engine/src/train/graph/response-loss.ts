/**
 * The loss of predicted tokens and its gradient, without one-hot labels: the probability of each label is picked out of
 * the softmax, and the gradient of the cross-entropy is the softmax with 1 taken off there.
 *
 * With a teacher (block distillation, the follow-up paper): (1 - W) cross-entropy + W KL(teacher, model). By the logits
 * that is the softmax, less (1 - W) at the label, less W times the teacher's probabilities.
 */
import type { Tensor } from '../../ggml/graph/tensor.ts';
import type { Tape } from './tape.ts';

export interface LossInputs {
  /** i32 [outputs]: where each label's probability lies in the softmax, output * vocabulary + label. */
  readonly labels: Tensor;
  /** i64 [outputs]: the same. */
  readonly labelRows: Tensor;
  /** f32 [1, outputs]: factor of each prediction in the loss. */
  readonly weights: Tensor;
  /** What the model is to agree with. */
  readonly teacher?: { readonly probabilities: Tensor; readonly weight: number } | undefined; // f32 [vocabulary, outputs]
}

export interface ResponseLoss {
  readonly softmax: Tensor;
  /** f32 [1, outputs]: of the labels; the cross-entropy is the weighted sum of their negative logarithms. */
  readonly probabilities: Tensor;
  /** f32 [1, outputs]: KL divergence of each prediction from the teacher's, in nats. */
  readonly divergence: Tensor | undefined;
  /** Makes the gradient of the loss by the logits. Call it after all else that reads the softmax. */
  readonly gradient: () => Tensor;
}

/** Keeps logarithms finite where a probability underflows. */
const tiny = 1e-30;

/** @param logits f32 [vocabulary, outputs]; overwritten by their softmax */
export function responseLoss(g: Tape, logits: Tensor, inputs: LossInputs): ResponseLoss {
  const { teacher } = inputs;
  return g.silently(() => {
    const softmax = g.softMax(logits, null, 1);
    const flat = g.reshape(softmax, 1, logits.ne[0] * logits.ne[1]);
    const probabilities = g.output(g.getRows(flat, inputs.labels));
    const log = (p: Tensor) => g.log(g.affine(p, 1, tiny));
    const divergence =
      teacher && g.output(g.sumRows(g.mul(g.sub(log(teacher.probabilities), log(softmax)), teacher.probabilities)));
    return {
      softmax,
      probabilities,
      divergence,
      gradient: () =>
        g.silently(() => {
          const share = teacher?.weight ?? 0;
          const less = g.setRows(flat, g.affine(probabilities, 1, share - 1), inputs.labelRows);
          const all = g.reshape(less, ...logits.ne);
          const wrong = teacher === undefined ? all : g.sub(all, g.scale(teacher.probabilities, share));
          return g.mul(wrong, inputs.weights);
        }),
    };
  });
}
