/**
 * `auto` that finds out by itself: a server without a verdict answers by full attention, reads a sample of its requests
 * again in block mode while it is idle, and changes over once what full attention said stays as likely there (the rule
 * of eval/verdict.ts without right answers). It goes on checking, and goes back when that no longer holds.
 *
 * Policies are tried one after the other, cheapest first. What it finds is kept like a verdict of `verify`, marked as
 * learned; the user's own verdict is never touched. A check holds its request's text until it is done, in memory only;
 * the log says what came out, never what was asked.
 */

import {
  type AnswerRequest,
  type AnswerResult,
  type Engine,
  parsePolicy,
  recomputedShare,
  runsOn,
  type StoredVerdict,
  type TextScore,
} from '@block-attention/engine/internal/engine';
import {
  abstains,
  decideOwn,
  firstTokenKl,
  leastOwnQuestions,
  type OwnCheck,
  textAgreement,
} from '@block-attention/engine/internal/scoring';
import type { Logger } from 'pino';
import { IdleChecks } from './idle-checks.ts';

export interface LearnOptions {
  /** Share of the requests that are checked, in [0, 1]; 0 learns nothing. Defaults to 0.25. */
  readonly rate: number;
  /** Policies to try, cheapest first. Defaults to the one that block mode runs under here, and to that with `head:8`. */
  readonly policies?: readonly string[] | undefined;
  /** Probability of full attention's own answers that block mode may lose, per token, in (0, 1). Defaults to 0.05. */
  readonly tolerance: number;
  /** Checks before anything is concluded. Defaults to 24. */
  readonly minChecks: number;
  /** Checks that count. Defaults to 96. */
  readonly window: number;
  /** Keeps what was found: identity and place are the caller's business. Defaults to nowhere. */
  readonly keep?: ((found: LearnedVerdict) => Promise<void>) | undefined;
}

/** What a verdict says, but for what it is about. */
export type LearnedVerdict = Omit<StoredVerdict, 'version' | 'identity'>;

export const defaultLearn: LearnOptions = {
  rate: 0,
  tolerance: 0.05,
  minChecks: leastOwnQuestions,
  window: 96,
};

export interface LearnState {
  /** `learning`: full attention, with checks. `block`: changed over. `full`: no policy held. `off`: not learning. */
  readonly state: 'off' | 'learning' | 'block' | 'full';
  /** The one that is being tried, or that holds; null for none. */
  readonly policy: string | null;
  /** Checks of that policy that count, of all, and those given up. */
  readonly n: number;
  readonly checks: number;
  readonly skipped: number;
  readonly tolerance: number;
  /** Means of those that count; null before the first. */
  readonly agreement: number | null;
  readonly kl: number | null;
  /** Per-token probability of full attention's answers that block mode loses, and the paired 95 % interval. */
  readonly loss: number | null;
  readonly lossInterval: readonly [number, number] | null;
  /** What was concluded last; null before. */
  readonly reason: string | null;
}

interface Sample {
  readonly request: AnswerRequest;
  readonly policy: string;
  readonly logits: Float32Array;
  readonly result: AnswerResult;
}

/** How a request runs that would have run in another mode. */
export interface Learned {
  readonly policy: string;
  readonly reason: string;
}

export class Learning {
  readonly #engine: Engine;
  readonly #options: LearnOptions;
  readonly #policies: readonly string[];
  readonly #logger: Logger;
  readonly #idle: IdleChecks<Sample>;
  #recent: OwnCheck[] = [];
  #state: LearnState['state'];
  #tried = 0;
  #policy: string | null;
  #checks = 0;
  #reason: string | null = null;

  constructor(engine: Engine, options: LearnOptions, isIdle: () => boolean, logger: Logger) {
    this.#engine = engine;
    this.#options = options;
    this.#logger = logger;
    this.#idle = new IdleChecks(isIdle, (sample, signal) => this.#check(sample, signal));
    const policies = (options.policies ?? usualPolicies(engine)).map((policy) => parsePolicy(policy).name);
    this.#policies = policies;
    const { verdict, defaultMode } = engine;
    const open = verdict === null || verdict.learned === true;
    const holds = verdict?.verdict === 'block' ? verdict.policy : null;
    const on = options.rate > 0 && defaultMode === 'auto' && open && policies.length > 0;
    this.#state = !on ? 'off' : holds === null ? 'learning' : 'block';
    this.#policy = !on ? null : (holds ?? policies[0] ?? null);
  }

  get state(): LearnState {
    const figures = this.#figures();
    return {
      state: this.#state,
      policy: this.#policy,
      n: this.#recent.length,
      checks: this.#checks,
      skipped: this.#idle.skipped,
      tolerance: this.#options.tolerance,
      agreement: mean(this.#recent.map(({ agreement }) => agreement)),
      kl: mean(this.#recent.map(({ kl }) => kl)),
      loss: figures === undefined ? null : -figures.difference.value,
      lossInterval: figures === undefined ? null : [-figures.difference.interval[1], -figures.difference.interval[0]],
      reason: this.#reason,
    };
  }

  /** How a request of mode `auto` runs that the engine would choose a mode for; undefined where the engine does. */
  choose(): Learned | undefined {
    // The engine obeys a verdict that was there when it was made.
    if (this.#state === 'block' && this.#policy !== null && this.#reason !== null) {
      return { policy: this.#policy, reason: this.#reason };
    }
    return undefined;
  }

  /** Why full attention runs although the engine's verdict allows block mode; undefined where that is not so. */
  get withdrawn(): string | undefined {
    return this.#state === 'full' && this.#engine.verdict?.verdict === 'block'
      ? (this.#reason ?? undefined)
      : undefined;
  }

  /** Takes a request of mode `auto` into the sample, or not. @returns the request, watched, and where its answer goes */
  sample(request: AnswerRequest): { readonly request: AnswerRequest; readonly done: (result: AnswerResult) => void } {
    const policy = this.#policy;
    const active = this.#state === 'learning' || this.#state === 'block';
    const chosen = policy !== null && active && !this.#idle.closed && Math.random() < this.#options.rate;
    if (!chosen || request.passages.length === 0) return { request, done: () => undefined };
    let logits: Float32Array | undefined;
    return {
      request: {
        ...request,
        onPromptLogits: (all) => {
          logits = all.slice();
          request.onPromptLogits?.(all);
        },
      },
      done: (result) => {
        if (logits === undefined || result.tokens.answer === 0) return;
        this.#idle.add({ request, policy, logits, result });
      },
    };
  }

  /** To be called when the server becomes idle or busy. */
  update(): void {
    this.#idle.update();
  }

  close(): void {
    this.#idle.close();
  }

  async #check({ request, policy, logits: first, result }: Sample, signal: AbortSignal): Promise<void> {
    // What was sampled for a policy that was given up since says nothing.
    if (policy !== this.#policy || this.#state === 'full') return;
    const maxTokens = Math.max(1, result.tokens.answer);
    // Drawn answers differ by chance: what is compared is what each mode would say if asked for its likeliest words.
    const greedy = { ...request, temperature: 0, seed: undefined, prefixReuse: false, signal };
    const drawn = (request.temperature ?? 0) !== 0;
    const wasFull = result.mode === 'full';
    const full = await this.#read({ ...greedy, mode: 'full', maxTokens });
    const block = await this.#read({ ...greedy, mode: 'block', policy, maxTokens, score: [full.ids] });
    const own = probability({ tokens: full.ids.length, logprob: full.logprob });
    const there = probability(block.result.scores[0]);
    if (own === undefined || there === undefined || abstains(full.result.text)) return;
    const { kl, sameTop } = firstTokenKl(wasFull ? first : full.logits, wasFull ? block.logits : first);
    const agreement = drawn ? Number(sameTop) : textAgreement(full.result.text, block.result.text);
    this.#record({ agreement, kl, full: own, block: there, declined: abstains(block.result.text) });
  }

  async #read(request: AnswerRequest) {
    const ids: number[] = [];
    let logprob = 0;
    let logits: Float32Array | undefined;
    const result = await this.#engine.answer({
      ...request,
      onToken: (report) => {
        ids.push(report.token);
        logprob += report.logprob;
      },
      onPromptLogits: (all) => (logits = all.slice()),
    }).result;
    if (result.stopReason === 'aborted' || logits === undefined) throw new Error('interrupted');
    return { result, logits, ids, logprob };
  }

  #record(check: OwnCheck): void {
    this.#checks += 1;
    this.#recent.push(check);
    if (this.#recent.length > this.#options.window) this.#recent.shift();
    this.#logger.info({ policy: this.#policy, ...check }, 'learning check');
    const figures = this.#figures();
    // Each look is a chance to be wrong: one per quarter of what is needed.
    if (figures === undefined || this.#recent.length < this.#options.minChecks) return;
    if (
      this.#recent.length % Math.ceil(this.#options.minChecks / 4) !== 0 &&
      this.#recent.length < this.#options.window
    )
      return;
    const { verdict, open } = figures;
    if (this.#state === 'learning') {
      if (verdict === 'block') this.#changeOver();
      else if (!open || this.#recent.length >= this.#options.window) this.#tryNext();
    } else if (this.#state === 'block' && verdict === 'full' && !open) this.#goBack();
  }

  #figures() {
    if (this.#recent.length === 0) return undefined;
    const { tolerance, minChecks } = this.#options;
    return decideOwn(this.#recent, tolerance, minChecks);
  }

  #changeOver(): void {
    this.#state = 'block';
    this.#reason = `learned from ${this.#recent.length} requests: block mode with policy ${this.#policy} ${this.#said()}`;
    this.#tell('warn');
    this.#keep('block');
  }

  #tryNext(): void {
    const given = `policy ${this.#policy} ${this.#said()}`;
    this.#tried += 1;
    const next = this.#policies[this.#tried];
    if (next === undefined) {
      this.#state = 'full';
      this.#reason = `no policy held: ${given}`;
      this.#tell('info');
      this.#keep('full');
    } else {
      this.#reason = given;
      this.#tell('info');
      this.#policy = next;
    }
    this.#recent = [];
    this.#idle.clear();
  }

  #goBack(): void {
    this.#reason = `no longer as good as full attention: policy ${this.#policy} ${this.#said()}; full attention from now on`;
    this.#state = 'full';
    this.#tell('warn');
    this.#keep('full');
    this.#idle.clear();
  }

  /** Figures as a sentence goes on with them. */
  #said(): string {
    const { loss, lossInterval, agreement, kl, tolerance } = this.state;
    const points = (share = Number.NaN) => (share * 100).toFixed(1);
    return (
      `loses ${points(loss ?? undefined)} points of probability of full attention's answers ` +
      `(${points(lossInterval?.[0])} to ${points(lossInterval?.[1])}, ${points(tolerance)} allowed), ` +
      `agreement ${(agreement ?? Number.NaN).toFixed(2)}, KL ${(kl ?? Number.NaN).toFixed(2)}`
    );
  }

  #tell(level: 'info' | 'warn'): void {
    const { state, policy, n, loss, agreement, kl } = this.state;
    this.#logger[level]({ state, policy, n, loss, agreement, kl }, this.#reason ?? '');
  }

  #keep(verdict: 'block' | 'full'): void {
    const figures = this.#figures();
    if (figures === undefined) return;
    const { value, interval } = figures.difference;
    void this.#options
      .keep?.({
        verdict,
        policy: verdict === 'block' ? this.#policy : null,
        reasons: verdict === 'block' || this.#reason === null ? [] : [this.#reason],
        tolerance: this.#options.tolerance,
        n: this.#recent.length,
        fullAccuracy: figures.fullMean,
        blockAccuracy: figures.blockMean,
        difference: { value, interval: [...interval] },
        basis: 'own',
        learned: true,
        measuredAt: new Date().toISOString(),
      })
      .catch((error: unknown) =>
        this.#logger.warn({ error: String(error) }, 'the learned verdict could not be stored'),
      );
  }
}

function usualPolicies(engine: Engine): string[] {
  const name = engine.chooseMode({ mode: 'block' }).policy?.name ?? 'plain';
  if (recomputedShare(parsePolicy(name)) > 0) return [name];
  const names = [name, name === 'plain' ? 'head:8' : `${name}+head:8`];
  return names.filter((text) => runsOn(parsePolicy(text), engine.model));
}

/** Geometric mean of the tokens' probabilities. */
function probability(score: TextScore | null | undefined): number | undefined {
  return score && score.tokens > 0 ? Math.exp(score.logprob / score.tokens) : undefined;
}

function mean(values: readonly number[]): number | null {
  return values.length === 0 ? null : values.reduce((sum, value) => sum + value, 0) / values.length;
}
