/**
 * Chooses the next token from logits, by libllama's samplers, in the order llama.cpp's own tools chain them:
 * penalties, top-k, top-p, min-p, temperature, then a seeded draw. No context of libllama's is involved.
 *
 * A grammar is tried on the choice first, and only when it rules it out on the whole vocabulary: that costs tens of
 * milliseconds. Grammars are checked before libllama sees them (grammar-check.ts).
 */
import { BlockAttentionError } from '../errors.ts';
import { Candidates } from './candidates.ts';
import { checkGrammar } from './grammar-check.ts';
import { type SamplerCalls, samplerCalls } from './sampler-calls.ts';
import { type ResolvedSamplerOptions, resolveSamplerOptions, type SamplerOptions } from './sampler-options.ts';
import type { VocabTokenizer } from './vocab.ts';

export interface Sampler extends Disposable {
  /** What the draws started from; the same seed, options and logits give the same tokens. */
  readonly seed: number;
  /**
   * Chooses a token and remembers it, for the penalties and the grammar.
   * @param logits `[vocabulary]`; left as they are
   * @throws INVALID_GRAMMAR when the grammar allows no token of the vocabulary here; COMPUTE_FAILED for logits that
   *   are NaN or +∞; INVALID_ARGUMENT when they are not one per token; DISPOSED.
   */
  sample(logits: Float32Array): number;
  /** Back to the start: seed, penalties and grammar. */
  reset(): void;
}

let shared: Candidates | undefined;

/**
 * A grammar that is ambiguous about what encloses what takes time exponential in the text. One call this slow means
 * the next would not come back.
 */
const maxGrammarMs = 2000;

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
  );
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
  const penalised = repeatPenalty !== 1 || frequencyPenalty !== 0 || presencePenalty !== 0;
  if (penaltyLastN > 0 && penalised) {
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

class LlamaSampler implements Sampler {
  readonly seed: number;
  readonly #calls: SamplerCalls;
  readonly #candidates: Candidates;
  readonly #chain: bigint | undefined;
  readonly #grammar: bigint | undefined;
  readonly #vocabulary: number;
  #accepted = 0;
  #disposed = false;

  constructor(
    calls: SamplerCalls,
    candidates: Candidates,
    chain: bigint | undefined,
    grammar: bigint | undefined,
    seed: number,
    vocabulary: number,
  ) {
    this.#calls = calls;
    this.#candidates = candidates;
    this.#chain = chain;
    this.#grammar = grammar;
    this.seed = seed;
    this.#vocabulary = vocabulary;
  }

  sample(logits: Float32Array): number {
    this.#check();
    if (logits.length !== this.#vocabulary) {
      throw new BlockAttentionError(
        'INVALID_ARGUMENT',
        `${logits.length} logits for a vocabulary of ${this.#vocabulary} tokens`,
      );
    }
    const token = this.#choose(logits);
    if (this.#chain !== undefined) this.#calls.accept(this.#chain, token);
    if (this.#grammar !== undefined) this.#timed(this.#calls.accept, this.#grammar, token);
    this.#accepted++;
    return token;
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
  }

  #choose(logits: Float32Array): number {
    const first = this.#chain === undefined ? argmax(logits) : this.#applyChain(logits, this.#chain);
    if (this.#grammar === undefined) return this.#found(first, 'every logit is -Infinity');
    if (first !== undefined) {
      this.#candidates.fillOne(first);
      this.#timed(this.#calls.apply, this.#grammar, this.#candidates.address);
      if (!this.#candidates.rejected()) return first;
    }
    this.#candidates.fill(logits);
    this.#timed(this.#calls.apply, this.#grammar, this.#candidates.address);
    if (this.#chain === undefined) return this.#found(this.#candidates.likeliest());
    this.#calls.apply(this.#chain, this.#candidates.address);
    return this.#found(this.#candidates.selected());
  }

  #applyChain(logits: Float32Array, chain: bigint): number | undefined {
    this.#candidates.fill(logits);
    this.#calls.apply(chain, this.#candidates.address);
    return this.#candidates.selected();
  }

  #timed<A>(call: (grammar: bigint, argument: A) => void, grammar: bigint, argument: A): void {
    const start = performance.now();
    call(grammar, argument);
    const ms = performance.now() - start;
    if (ms < maxGrammarMs) return;
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
