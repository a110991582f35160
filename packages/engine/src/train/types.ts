/** What training works on: token sequences cut into blocks, and what becomes of them. */

/** How a sequence is seen while it is trained on: `full` is plain causal attention, `block` the block mask. */
export type TrainingMode = 'full' | 'block';

/** One sample in one mode. */
export interface TrainingSequence {
  /** Token ids of the blocks, none empty; the last one is the final block, answer included. */
  readonly blocks: readonly Int32Array[];
  /** How many tokens at the end are the response: the loss is taken on these. At least 1, less than all tokens. */
  readonly responseTokens: number;
  readonly mode: TrainingMode;
  /**
   * What context blocks but the first stand behind in block mode, as they do when they are encoded: each has a copy of its
   * own right before it, which nothing else sees. Token ids. Defaults to nothing.
   */
  readonly anchor?: Int32Array | undefined;
  /**
   * In block mode: context blocks, by index, that see all before them, as a final block does (block dropout). Defaults to
   * none, which is what is served.
   */
  readonly open?: readonly boolean[] | undefined;
  /**
   * Further final blocks after the same context, such as other questions on the passages. Each sees the context and
   * itself, at the positions that follow the context, so every one trains what it would alone. Defaults to none.
   */
  readonly branches?: readonly FinalBlock[] | undefined;
  /** How much each of its response tokens counts in a step. Defaults to 1. */
  readonly weight?: number | undefined;
}

/** A question with its response. */
export interface FinalBlock {
  /** Token ids, answer included. */
  readonly tokens: Int32Array;
  /** How many tokens at the end are the response. */
  readonly responseTokens: number;
}

export interface StepReport {
  /** What was minimised, in nats per response token, before the step: cross-entropy, or with a teacher its mix with the divergence. */
  readonly loss: number;
  /** Mean KL divergence of the predictions from the teacher's, in nats; absent without one. */
  readonly divergence?: number;
  /** Euclidean length of the gradient before clipping. */
  readonly gradientNorm: number;
  /** Tokens of the sequences. */
  readonly tokens: number;
  /** Tokens computed, padding included. */
  readonly computedTokens: number;
  readonly responseTokens: number;
}

/** How well a model predicts the responses of sequences. */
export interface SequenceScores {
  /** Mean cross-entropy of the response tokens, in nats. */
  readonly loss: number;
  /** Mean KL divergence of the predictions from the teacher's, in nats; absent without one. */
  readonly divergence?: number;
  /** Share of response tokens for which the teacher ranks the same token first; absent without one. */
  readonly agreement?: number;
  /** Share of response tokens that are the likeliest, given all tokens before them. */
  readonly tokenAccuracy: number;
  /** Share of responses whose tokens are all the likeliest: what greedy decoding would write. */
  readonly accuracy: number;
  readonly responseTokens: number;
}
