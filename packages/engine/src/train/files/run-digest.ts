/** What tells two fine-tuning runs apart: a checkpoint of the one is of no use to the other. */
import { createHash } from 'node:crypto';
import type { TrainingSet } from '../data/training-set.ts';
import type { FinetuneOptions } from '../finetune-options.ts';

/** Digests of the adapters a run begins with: the one that is trained on, and the one a writer is over. */
export interface Starts {
  readonly start: string | undefined;
  readonly over: string | undefined;
}

/** All that the steps depend on, but for the learning rate, which may be lowered after a run diverged. */
export function runDigest(
  options: FinetuneOptions,
  { digest, training }: TrainingSet,
  weights: string,
  { start, over }: Starts,
): string {
  const { lora = 16, alpha, modes, epochs = 1, batch = 64, warmup, decay, weightDecay, clip, seed = 1 } = options;
  const { distill, blockDropout = 0 } = options;
  // What was added later counts where it is given: checkpoints of before stay good.
  const parts: unknown[] = [
    weights,
    digest,
    training.length,
    lora,
    alpha,
    modes,
    epochs,
    batch,
    warmup,
    decay,
    weightDecay,
    clip,
    seed,
  ];
  if (distill !== undefined || blockDropout > 0) parts.push(distill, blockDropout);
  if (start !== undefined) parts.push({ start });
  if (options.precision === 'f32') parts.push({ precision: options.precision });
  if (options.writer === true) parts.push({ writer: 1, over });
  return createHash('sha256').update(JSON.stringify(parts)).digest('hex');
}

/** Share of the divergence in what is minimised; undefined for none. */
export function distillOf({ distill, writer = false }: FinetuneOptions): number | undefined {
  return distill ?? (writer ? 1 : undefined);
}
