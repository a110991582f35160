/**
 * Cross-entropy of predicted tokens and its gradient, without one-hot labels: the probability of each label is picked
 * out of the softmax, and the gradient is the softmax with 1 taken off there.
 */
import type { Tensor } from '../ggml/tensor.ts';
import type { Tape } from './tape.ts';

export interface LossInputs {
  /** i32 [outputs]: where each label's probability lies in the softmax, output * vocabulary + label. */
  readonly labels: Tensor;
  /** i64 [outputs]: the same. */
  readonly labelRows: Tensor;
  /** f32 [1, outputs]: factor of each prediction in the loss. */
  readonly weights: Tensor;
}

/**
 * @param logits f32 [vocabulary, outputs]; overwritten by their softmax
 * @returns `probabilities` f32 [1, outputs] of the labels: the loss is the weighted sum of their negative logarithms;
 *   and `gradient`, which makes the gradient of that loss by the logits. Call it after all else that reads the softmax.
 */
export function responseLoss(
  g: Tape,
  logits: Tensor,
  inputs: LossInputs,
): { softmax: Tensor; probabilities: Tensor; gradient: () => Tensor } {
  return g.silently(() => {
    const softmax = g.softMax(logits, null, 1);
    const flat = g.reshape(softmax, 1, logits.ne[0] * logits.ne[1]);
    const probabilities = g.output(g.getRows(flat, inputs.labels));
    return {
      softmax,
      probabilities,
      gradient: () =>
        g.silently(() => {
          const less = g.setRows(flat, g.affine(probabilities, 1, -1), inputs.labelRows);
          return g.mul(g.reshape(less, ...logits.ne), inputs.weights);
        }),
    };
  });
}
