/** Which policy block mode runs under on a model that nobody verified, and which ones a model can be trained under. */

import { BlockAttentionError } from '../../errors.ts';
import type { PromptTemplate } from '../../prompt/index.ts';
import {
  type ContextPolicy,
  checkPolicy,
  encodingPart,
  namesFile,
  type PolicyInput,
  parsePolicy,
  plainPolicy,
  seesNeighbour,
} from './policy.ts';

/** Key of a GGUF's metadata, a model's or an adapter's: name of the policy that it was fine-tuned under. */
export const policyKey = 'block_attention.policy';

/**
 * Anchored: on models that nobody fine-tuned it loses less than plain blocks and costs nothing per question. Of the anchors
 * this one is the best or nearly so over 5 and 10 passages on every model measured; over 2 the header alone is
 * (docs/policies.md). The paper's template belongs to models that were fine-tuned on blocks encoded from nothing.
 */
export function defaultPolicy(template: PromptTemplate): ContextPolicy {
  return template === 'paper' ? plainPolicy : parsePolicy('anchor:200');
}

/** Whatever reads metadata: a model's file, and its adapter's if it has one. */
interface TrainedFiles {
  readonly file: { value(key: string): unknown };
  readonly adapter?: { metadata(key: string): unknown } | undefined;
}

/**
 * What the adapter, else the model, says it was fine-tuned under; undefined where a model says nothing, or nothing known.
 * An adapter that says nothing is older than anchors: block mode has always been plain for it.
 */
export function trainedPolicy({ file, adapter }: TrainedFiles): ContextPolicy | undefined {
  const text = adapter === undefined ? file.value(policyKey) : adapter.metadata(policyKey);
  if (typeof text !== 'string') return adapter && plainPolicy;
  try {
    return parsePolicy(text);
  } catch {
    return undefined;
  }
}

/** The policy of a training run. @throws INVALID_ARGUMENT for one that does more than to encode passages behind something */
export function trainingPolicy(wanted: PolicyInput): ContextPolicy {
  const policy = checkPolicy(wanted);
  if (namesFile(policy)) {
    const remedy = 'names a file, which may change: give its text as anchor:text=TEXT';
    throw new BlockAttentionError('INVALID_ARGUMENT', `policy ${policy.name} ${remedy}`);
  }
  if (seesNeighbour(policy)) {
    const remedy = 'encodes passages behind those before them, which training data does not know: leave neighbour out';
    throw new BlockAttentionError('INVALID_ARGUMENT', `policy ${policy.name} ${remedy}`);
  }
  if (encodingPart(policy).name === policy.name) return policy;
  const remedy = 'does more than encode passages behind an anchor: leave the rest to whoever serves';
  throw new BlockAttentionError('INVALID_ARGUMENT', `policy ${policy.name} ${remedy}`);
}
