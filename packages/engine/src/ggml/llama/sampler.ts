/**
 * Chooses the next token from logits, by libllama's samplers, in the order llama.cpp's own tools chain them:
 * penalties, top-k, top-p, min-p, temperature, then a seeded draw. No context of libllama's is involved.
 *
 * A grammar is tried on the choice first, and only when it rules it out on the whole vocabulary: that costs tens of
 * milliseconds. Grammars are checked before libllama sees them (grammar-check.ts).
 */
import { BlockAttentionError } from '../../errors.ts';
import { call } from '../ffi/call.ts';
import { Candidates } from './candidates.ts';
import { checkGrammar } from './grammar-check.ts';
import { type SamplerCalls, samplerCalls } from './sampler-calls.ts';
import { type ResolvedSamplerOptions, resolveSamplerOptions, type SamplerOptions } from './sampler-options.ts';
import { mostShort, type Shortlist, type TokenLogits } from './shortlist.ts';
import type { VocabTokenizer } from './vocab.ts';

export interface Sampler extends Disposable {
  /** What the draws started from; the same seed, options and logits give the same tokens. */
  readonly seed: number;
  /** How many of the likeliest tokens it chooses among; undefined where any token may be chosen, or a grammar asks for all. */
  readonly shortlist: number | undefined;
  /**
   * Chooses a token and remembers it, for the penalties and the grammar.
   * @param logits `[vocabulary]`; left as they are
   * @throws INVALID_GRAMMAR when the grammar allows no token of the vocabulary here; COMPUTE_FAILED for logits that
   *   are NaN or +∞; INVALID_ARGUMENT when they are not one per token; DISPOSED.
   */
  sample(logits: Float32Array): number;
  /**
   * The same; what a grammar costs, which can be seconds, is spent on a thread of the pool. One call at a time, which
   * dispose() must wait for.
   * @param logits all of them, or a shortlist of `shortlist` tokens
   */
  sampleAside(logits: TokenLogits): Promise<number>;
  /** Back to the start: seed, penalties and grammar. */
  reset(): void;
}

let shared: Candidates | undefined;

/**
 * A grammar that is ambiguous about what encloses what takes time exponential in the text. One call this slow means
 * the next would not come back.
 */
const maxGrammarMs = 2000;
/** The same where nobody else waits. It counts what the call waited for a thread, too. */
const maxAsideMs = 10_000;

/**
 * @param tokenizer must outlive the sampler
 * @throws INVALID_ARGUMENT for an option out of range; INVALID_GRAMMAR.
 */
export function createSampler(options: SamplerOptions, tokenizer: VocabTokenizer): Sampler {
  const resolved = resolveSamplerOptions(options);
  const calls = samplerCalls();
  const grammar = resolved.grammar === undefined ? undefined : openGrammar(calls, resolved.grammar, tokenizer);
  shared ??= new Candidates();
  return new LlamaSampler(
    calls,
    shared,
    chainOf(calls, resolved, tokenizer.size),
    grammar,
    resolved.seed,
    tokenizer.size,
    shortlistLength(resolved, tokenizer.size),
  );
}

function shortlistLength(options: ResolvedSamplerOptions, vocabulary: number): number | undefined {
  if (options.grammar !== undefined || isPenalised(options)) return undefined;
  const length = options.temperature === 0 ? 1 : options.topK;
  return length > 0 && length <= mostShort && length < vocabulary ? length : undefined;
}

function isPenalised({ repeatPenalty, frequencyPenalty, presencePenalty, penaltyLastN }: ResolvedSamplerOptions) {
  return penaltyLastN > 0 && (repeatPenalty !== 1 || frequencyPenalty !== 0 || presencePenalty !== 0);
}

function openGrammar(calls: SamplerCalls, text: string, tokenizer: VocabTokenizer): bigint {
  checkGrammar(text);
  const grammar = calls.grammar(tokenizer.vocab, text, 'root');
  if (grammar === null) {
    throw new BlockAttentionError('INVALID_GRAMMAR', 'libllama refuses the grammar: see the GBNF guide of llama.cpp');
  }
  return grammar;
}

/** Undefined when the likeliest token is all that is asked for. */
function chainOf(calls: SamplerCalls, options: ResolvedSamplerOptions, vocabulary: number): bigint | undefined {
  const { temperature, topK, topP, minP, repeatPenalty, frequencyPenalty, presencePenalty, penaltyLastN, seed } =
    options;
  const members: bigint[] = [];
  if (isPenalised(options)) {
    members.push(calls.penalties(vocabulary, penaltyLastN, repeatPenalty, frequencyPenalty, presencePenalty));
  }
  if (temperature === 0) {
    if (members.length === 0) return undefined;
    members.push(calls.greedy());
  } else {
    if (topK > 0) members.push(calls.topK(topK));
    if (topP < 1) members.push(calls.topP(topP, 1));
    if (minP > 0) members.push(calls.minP(minP, 1));
    members.push(calls.temperature(temperature), calls.dist(seed));
  }
  const chain = calls.chain();
  for (const member of members) calls.add(chain, member);
  return chain;
}

/** What a grammar has to do: rule out candidates, or go on by a token. */
type GrammarStep =
  | { readonly grammar: bigint; readonly candidates: Candidates }
  | { readonly grammar: bigint; readonly candidates?: undefined; readonly token: number };

class LlamaSampler implements Sampler {
  readonly seed: number;
  readonly shortlist: number | undefined;
  readonly #calls: SamplerCalls;
  readonly #candidates: Candidates;
  readonly #chain: bigint | undefined;
  readonly #grammar: bigint | undefined;
  readonly #vocabulary: number;
  #accepted = 0;
  #disposed = false;
  /** Of choices made aside. */
  #own: Candidates | undefined;

  constructor(
    calls: SamplerCalls,
    candidates: Candidates,
    chain: bigint | undefined,
    grammar: bigint | undefined,
    seed: number,
    vocabulary: number,
    shortlist: number | undefined,
  ) {
    this.shortlist = shortlist;
    this.#calls = calls;
    this.#candidates = candidates;
    this.#chain = chain;
    this.#grammar = grammar;
    this.seed = seed;
    this.#vocabulary = vocabulary;
  }

  sample(logits: Float32Array): number {
    this.#checkLogits(logits);
    const steps = this.#choose(logits, this.#candidates);
    for (let step = steps.next(); ; step = steps.next()) {
      if (step.done) return step.value;
      const start = performance.now();
      if (step.value.candidates) this.#calls.apply(step.value.grammar, step.value.candidates.address);
      else this.#calls.accept(step.value.grammar, step.value.token);
      this.#checkTime(performance.now() - start, maxGrammarMs);
    }
  }

  async sampleAside(logits: TokenLogits): Promise<number> {
    if (!(logits instanceof Float32Array)) return this.#fromShort(logits);
    if (this.#grammar === undefined) return this.sample(logits);
    this.#checkLogits(logits);
    this.#own ??= new Candidates();
    const steps = this.#choose(logits, this.#own);
    for (let step = steps.next(); ; step = steps.next()) {
      if (step.done) return step.value;
      const start = performance.now();
      if (step.value.candidates) await call(this.#calls.apply, step.value.grammar, step.value.candidates.address);
      else await call(this.#calls.accept, step.value.grammar, step.value.token);
      this.#checkTime(performance.now() - start, maxAsideMs);
    }
  }

  #fromShort(list: Shortlist): number {
    this.#check();
    if (list.ids.length !== this.shortlist) {
      throw new BlockAttentionError(
        'INVALID_ARGUMENT',
        `a shortlist of ${list.ids.length} tokens, of which the sampler takes ${this.shortlist ?? 'none'}`,
      );
    }
    let token: number | undefined = list.ids[0];
    if (this.#chain !== undefined) {
      this.#candidates.fillShort(list);
      this.#calls.apply(this.#chain, this.#candidates.address);
      token = this.#candidates.selected();
    }
    const chosen = this.#found(token, 'the shortlist leaves none');
    if (this.#chain !== undefined) this.#calls.accept(this.#chain, chosen);
    this.#accepted++;
    return chosen;
  }

  #checkLogits(logits: Float32Array): void {
    this.#check();
    if (logits.length === this.#vocabulary) return;
    throw new BlockAttentionError(
      'INVALID_ARGUMENT',
      `${logits.length} logits for a vocabulary of ${this.#vocabulary} tokens`,
    );
  }

  reset(): void {
    this.#check();
    if (this.#chain !== undefined) this.#calls.reset(this.#chain);
    if (this.#grammar !== undefined) this.#calls.reset(this.#grammar);
    this.#accepted = 0;
  }

  [Symbol.dispose](): void {
    if (this.#disposed) return;
    this.#disposed = true;
    if (this.#chain !== undefined) this.#calls.free(this.#chain);
    if (this.#grammar !== undefined) this.#calls.free(this.#grammar);
    this.#own?.[Symbol.dispose]();
  }

  /** Chooses and remembers; the grammar's steps are left to the caller. */
  *#choose(logits: Float32Array, candidates: Candidates): Generator<GrammarStep, number, undefined> {
    const grammar = this.#grammar;
    const first = this.#chain === undefined ? argmax(logits) : this.#applyChain(logits, this.#chain, candidates);
    let token = first;
    if (grammar === undefined) token = this.#found(first, 'every logit is -Infinity');
    else {
      if (first !== undefined) {
        candidates.fillOne(first);
        yield { grammar, candidates };
      }
      if (first === undefined || candidates.rejected()) {
        candidates.fill(logits);
        yield { grammar, candidates };
        if (this.#chain !== undefined) this.#calls.apply(this.#chain, candidates.address);
        token = this.#found(this.#chain === undefined ? candidates.likeliest() : candidates.selected());
      }
    }
    const chosen = this.#found(token);
    if (this.#chain !== undefined) this.#calls.accept(this.#chain, chosen);
    if (grammar !== undefined) yield { grammar, token: chosen };
    this.#accepted++;
    return chosen;
  }

  #applyChain(logits: Float32Array, chain: bigint, candidates: Candidates): number | undefined {
    candidates.fill(logits);
    this.#calls.apply(chain, candidates.address);
    return candidates.selected();
  }

  #checkTime(ms: number, most: number): void {
    if (ms < most) return;
    throw new BlockAttentionError(
      'INVALID_GRAMMAR',
      `a step of the grammar took ${Math.round(ms)} ms after ${this.#accepted} tokens: it is too ambiguous; let alternatives start differently`,
    );
  }

  /** libllama aborts when a grammar is told of a token it does not allow. */
  #found(token: number | undefined, reason?: string): number {
    if (token !== undefined) return token;
    if (reason !== undefined) throw new BlockAttentionError('COMPUTE_FAILED', `no token can be chosen: ${reason}`);
    throw new BlockAttentionError(
      'INVALID_GRAMMAR',
      `after ${this.#accepted} tokens the grammar allows none of this model's tokens: allow an end, or other characters`,
    );
  }

  #check(): void {
    if (this.#disposed) throw new BlockAttentionError('DISPOSED', 'the sampler was disposed');
  }
}

/** Index of the greatest logit, the first one of equals; undefined when all are -∞. */
function argmax(logits: Float32Array): number | undefined {
  let best: number | undefined;
  let most = Number.NEGATIVE_INFINITY;
  for (let i = 0; i < logits.length; i++) {
    const value = logits[i] ?? Number.NaN;
    if (!(value < Number.POSITIVE_INFINITY)) {
      throw new BlockAttentionError('COMPUTE_FAILED', `the logit of token ${i} is ${value}`);
    }
    if (value > most) {
      most = value;
      best = i;
    }
  }
  return best;
}
