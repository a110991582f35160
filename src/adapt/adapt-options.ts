/** What an adaptation is told, and what it tells. */

import type { Question, VerificationReport } from '@block-attention/engine/eval';
import type { EngineOptions, Passage } from '@block-attention/engine/internal/engine';
import type { FinetuneProgress, FinetuneReport } from '@block-attention/engine/train';

export interface AdaptOptions {
  /**
   * How the model runs, and will be served: the verdict is about its template and KV type. `adapter` is an ordinary LoRA
   * that the writer is to be over. `mode`, `policy`, `store` and `prefixBytes` are not looked at.
   */
  readonly engine: EngineOptions;
  /** Of the documents. */
  readonly passages: readonly Passage[];
  /** Folder for all that is made. Created when missing. */
  readonly out: string;
  /** Time allowed in all. Defaults to 30. */
  readonly minutes?: number | undefined;
  /** Most passages of a question. Defaults to 5. */
  readonly passagesPerQuestion?: number | undefined;
  /** Questions of the verification. Defaults to some made from the passages. */
  readonly questions?: readonly Question[] | undefined;
  /** What block mode may lose of the probability of full attention's own answers. Defaults to 0.05. */
  readonly tolerance?: number | undefined;
  /** Contexts to practise on. Defaults to what the time allows. */
  readonly contexts?: number | undefined;
  /** Defaults to 16. */
  readonly rank?: number | undefined;
  /** Peak of the learning rate. Defaults to one that fits the model's width. */
  readonly learningRate?: number | undefined;
  /** Defaults to 1. */
  readonly seed?: number | undefined;
  /** Go on with what is in `out`. Defaults to false: a folder with an adaptation is refused. */
  readonly resume?: boolean | undefined;
  readonly signal?: AbortSignal | undefined;
  readonly onProgress?: ((progress: AdaptProgress) => void) | undefined;
  /** Told once, before the work begins. */
  readonly onPlan?: ((plan: AdaptPlan) => void) | undefined;
}

/** Of held-out contexts, at the tokens of full attention's answers. */
export interface AdaptPoint {
  /** Optimizer steps taken. */
  readonly step: number;
  /** KL divergence of block mode from full attention, in nats per token. */
  readonly divergence: number;
  /** Share of the tokens that both rank first. */
  readonly agreement: number;
}

export interface AdaptPlan {
  readonly contexts: number;
  /** Optimizer steps, a little more or less where contexts are left out. */
  readonly steps: number;
  readonly answerSeconds: number;
  readonly trainingSeconds: number;
  readonly verifySeconds: number;
  /** Peak. */
  readonly learningRate: number;
  /** Why it is not more contexts: the time, the documents, or that so many were asked for. */
  readonly limit: 'time' | 'documents' | 'asked';
  readonly passages: number;
  /** What blocks are encoded behind: of the training, and of serving. */
  readonly policy: string;
  readonly spentSeconds: number;
}

export type AdaptProgress =
  | { readonly stage: 'questions' | 'measuring' }
  | { readonly stage: 'answers'; readonly done: number; readonly total: number }
  | { readonly stage: 'training'; readonly training: FinetuneProgress }
  | {
      readonly stage: 'verifying';
      readonly done: number;
      readonly total: number;
      readonly remainingMs: number | undefined;
    };

export interface AdaptReport {
  readonly plan: AdaptPlan;
  /** Of the writer's training, the two modes' distance on held-out contexts before and after among it. */
  readonly training: FinetuneReport;
  /** The same during training. */
  readonly curve: readonly AdaptPoint[];
  readonly verification: VerificationReport;
  readonly seconds: number;
  readonly files: {
    readonly adapter: string;
    /** Null where it could not be written. */
    readonly verdict: string | null;
    readonly questions: string;
    readonly report: string;
    readonly chart: string;
  };
}
