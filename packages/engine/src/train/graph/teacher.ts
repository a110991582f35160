/**
 * The model a run starts from, frozen: with full attention it is what the model in training is to agree with (block
 * distillation, the follow-up paper). Mapped from the file, so it takes no memory that the file's pages do not. A writer's
 * teacher is the model that the writer is for, with the ordinary adapter it is over.
 */
import { BlockAttentionError } from '../../errors.ts';
import type { Backend } from '../../ggml/device/backend.ts';
import type { GgufFile } from '../../ggml/gguf/gguf-file.ts';
import type { HyperParameters } from '../../model/architecture/hyper-parameters.ts';
import type { ForwardModel } from '../../model/graph/forward.ts';
import type { Adapter } from '../../model/weights/adapter.ts';
import { bindWeights } from '../../model/weights/bind-weights.ts';
import { Weights } from '../../model/weights/weights.ts';
import type { Teacher } from './training-graph.ts';

/** @throws INVALID_ARGUMENT for a share that is not in (0, 1] */
export function checkDistill(share: number | undefined): void {
  if (share === undefined || (share > 0 && share <= 1)) return;
  throw new BlockAttentionError('INVALID_ARGUMENT', `distill is ${share}: give a share above 0, at most 1`);
}

export class FrozenTeacher implements Teacher {
  readonly model: ForwardModel;
  readonly weight: number;
  readonly #weights: Weights;

  /** Owns its mapping. @param weight share of the divergence in the loss. @param applied adapters, taken over */
  constructor(
    file: GgufFile,
    hyperParameters: HyperParameters,
    backend: Backend,
    weight: number,
    applied: readonly Adapter[] = [],
  ) {
    this.#weights = new Weights(file, backend, false, applied);
    this.model = { hyperParameters, weights: bindWeights(this.#weights, hyperParameters) };
    this.weight = weight;
  }

  dispose(): void {
    this.#weights.dispose();
  }
}
