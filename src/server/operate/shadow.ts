/**
 * Shadow checks: a sample of the answers in block mode is computed again in full attention while the server is idle,
 * and when the two differ too much, block mode is given up until the server is started again.
 *
 * One check at a time; a request that comes in between ends it, and it is tried again later. A check holds its
 * request's text until it is done, in memory only; the log says what came out, never what was asked.
 */

import type { AnswerRequest, AnswerResult, Engine } from '@block-attention/engine/internal/engine';
import { firstTokenKl, textAgreement } from '@block-attention/engine/internal/scoring';
import type { Logger } from 'pino';
import { IdleChecks } from './idle-checks.ts';

export interface ShadowOptions {
  /** Share of the answers in block mode that are checked, in [0, 1]. Defaults to 0. */
  readonly rate: number;
  /** Least mean agreement of the last checks, in [0, 1]. Defaults to 0.6. */
  readonly minAgreement: number;
  /** Greatest mean KL divergence of the first token, full from block, in nats. Defaults to 0.5. */
  readonly maxKl: number;
  /** Checks that the means are taken over. Defaults to 50. */
  readonly window: number;
  /** Checks before anything is concluded. Defaults to 10. */
  readonly minChecks: number;
}

export const defaultShadow: ShadowOptions = { rate: 0, minAgreement: 0.6, maxKl: 0.5, window: 50, minChecks: 10 };

export interface ShadowState {
  readonly checks: number;
  /** Checks given up: too many waited, or requests kept interrupting. */
  readonly skipped: number;
  /** Means over the window; undefined before the first check. */
  readonly agreement: number | undefined;
  readonly kl: number | undefined;
  /** Why block mode was given up; undefined while it was not. */
  readonly fallback: string | undefined;
}

interface Check {
  readonly request: AnswerRequest;
  readonly logits: Float32Array;
  readonly result: AnswerResult;
}

export interface Sampled {
  /** The request, watched if it is in the sample. */
  readonly request: AnswerRequest;
  /** Hands in the answer. */
  readonly done: (result: AnswerResult) => void;
}

export class ShadowChecks {
  readonly #engine: Engine;
  readonly #options: ShadowOptions;
  readonly #logger: Logger;
  readonly #idle: IdleChecks<Check>;
  readonly #recent: { readonly agreement: number; readonly kl: number }[] = [];
  #checks = 0;
  #fallback: string | undefined;

  constructor(engine: Engine, options: ShadowOptions, isIdle: () => boolean, logger: Logger) {
    this.#engine = engine;
    this.#options = options;
    this.#idle = new IdleChecks(isIdle, (check, signal) => this.#run(check, signal));
    this.#logger = logger;
  }

  get state(): ShadowState {
    return {
      checks: this.#checks,
      skipped: this.#idle.skipped,
      agreement: this.#mean('agreement'),
      kl: this.#mean('kl'),
      fallback: this.#fallback,
    };
  }

  /** Decides whether a request is in the sample. */
  sample(request: AnswerRequest): Sampled {
    if (this.#idle.closed || Math.random() >= this.#options.rate) return { request, done: () => undefined };
    let logits: Float32Array | undefined;
    return {
      request: { ...request, onPromptLogits: (all) => (logits = all.slice()) },
      done: (result) => {
        if (logits === undefined || result.mode !== 'block' || result.blocks.length === 0) return;
        this.#idle.add({ request, logits, result });
      },
    };
  }

  /** To be called when the server becomes idle or busy. */
  update(): void {
    this.#idle.update();
  }

  /** Ends what is running and forgets what waits. */
  close(): void {
    this.#idle.close();
  }

  async #run({ request, result, logits: block }: Check, signal: AbortSignal): Promise<void> {
    let logits: Float32Array | undefined;
    const full = await this.#engine.answer({
      ...request,
      mode: 'full',
      maxTokens: Math.max(1, result.tokens.answer),
      prefixReuse: false,
      onToken: undefined,
      signal,
      onPromptLogits: (all) => (logits = all.slice()),
    }).result;
    if (full.stopReason === 'aborted' || logits === undefined) throw new Error('interrupted');
    const { kl, sameTop } = firstTokenKl(logits, block);
    // Drawn answers differ by chance: of those only the first token's likeliest candidate is compared.
    const greedy = (request.temperature ?? 0) === 0;
    const agreement = greedy ? textAgreement(full.text, result.text) : Number(sameTop);
    this.#record(agreement, kl);
  }

  #record(agreement: number, kl: number): void {
    const { window, minChecks, minAgreement, maxKl } = this.#options;
    this.#checks += 1;
    this.#recent.push({ agreement, kl });
    if (this.#recent.length > window) this.#recent.shift();
    this.#logger.info({ agreement, kl }, 'shadow check');
    if (this.#fallback !== undefined || this.#recent.length < minChecks) return;
    const [meanAgreement, meanKl] = [this.#mean('agreement') ?? 1, this.#mean('kl') ?? 0];
    if (meanAgreement >= minAgreement && meanKl <= maxKl) return;
    const figures = `agreement ${meanAgreement.toFixed(2)} (at least ${minAgreement}), KL ${meanKl.toFixed(2)} (at most ${maxKl})`;
    this.#fallback = `shadow checks: ${figures} over ${this.#recent.length} answers; full attention from now on`;
    this.#logger.warn({ agreement: meanAgreement, kl: meanKl }, this.#fallback);
  }

  #mean(field: 'agreement' | 'kl'): number | undefined {
    if (this.#recent.length === 0) return undefined;
    return this.#recent.reduce((sum, one) => sum + one[field], 0) / this.#recent.length;
  }
}
