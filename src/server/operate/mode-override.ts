/** Where the server runs a request in another mode than the engine would: after shadow checks, and what it learned. */
import type { AnswerRequest } from '@block-attention/engine/internal/engine';
import type { ServerContext } from '../context.ts';

export interface ModeOverride {
  readonly mode: 'block' | 'full';
  /** Of block mode; undefined in full mode. */
  readonly policy: string | undefined;
  /** What was asked for, and why it is not what runs. */
  readonly requested: 'auto' | 'block' | 'full';
  readonly reason: string;
}

/** @throws INVALID_ARGUMENT for a policy that is none */
export function overrideOf(
  { shadow, learning, engine }: Pick<ServerContext, 'shadow' | 'learning' | 'engine'>,
  answer: Pick<AnswerRequest, 'mode' | 'policy'> | undefined,
): ModeOverride | undefined {
  if (answer === undefined) return undefined;
  const { mode, requested } = engine.chooseMode(answer);
  const { fallback } = shadow.state;
  const given = fallback ?? (requested === 'auto' ? learning.withdrawn : undefined);
  if (given !== undefined)
    return mode === 'block' ? { mode: 'full', policy: undefined, requested, reason: given } : undefined;
  const learned = requested === 'auto' && mode === 'full' ? learning.choose() : undefined;
  return learned && { mode: 'block', policy: learned.policy, requested, reason: learned.reason };
}
