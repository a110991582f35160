/** How far apart two modes are before the first token is sampled. Pure. */

export interface FirstToken {
  /** KL(full ‖ block) in nats: 0 when the distributions are equal. */
  readonly kl: number;
  /** Whether both rank the same token first. */
  readonly sameTop: boolean;
}

/** @param full, block logits, [vocabulary] */
export function firstTokenKl(full: Float32Array, block: Float32Array): FirstToken {
  const [p, q] = [normaliser(full), normaliser(block)];
  let kl = 0;
  for (let i = 0; i < full.length; i++) {
    const logP = (full[i] ?? 0) - p.logSum;
    const logQ = (block[i] ?? 0) - q.logSum;
    const share = Math.exp(logP);
    // A token that full attention rules out says nothing, whatever its logit in the other mode.
    if (share > 0) kl += share * (logP - logQ);
  }
  // Rounding can leave a little less than nothing.
  return { kl: Math.max(0, kl), sameTop: p.top === q.top };
}

function normaliser(logits: Float32Array): { readonly logSum: number; readonly top: number } {
  let top = 0;
  for (let i = 1; i < logits.length; i++) if ((logits[i] ?? 0) > (logits[top] ?? 0)) top = i;
  const most = logits[top] ?? 0;
  let sum = 0;
  for (const logit of logits) sum += Math.exp(logit - most);
  return { logSum: most + Math.log(sum), top };
}
