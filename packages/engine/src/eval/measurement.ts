/**
 * Answers of full attention and of block mode under several policies to the same questions, with everything that tells
 * the modes apart: text, likelihood of what is right, and the first token's distribution.
 *
 * What is right are the gold answers, or, for questions without any (`own`), full attention's answer. Full attention
 * reads a question before any policy does. Questions that follow each other over the same passages go one after the
 * other, so that an engine which keeps prefixes reads their context once in full mode, too.
 */
import { z } from 'zod';
import { type ContextPolicy, type Engine, plainPolicy, seesNeighbour } from '../engine/index.ts';
import { BlockAttentionError } from '../errors.ts';
import { abstains } from '../scoring/abstention.ts';
import { firstTokenKl } from '../scoring/first-token.ts';
import type { Question } from './questions/questions.ts';
import { ResultsFile, resultKey } from './results-file.ts';
import { runJobs } from './run-jobs.ts';

const answerSchema = z.object({
  text: z.string(),
  promptTokens: z.number(),
  answerTokens: z.number(),
  /** To the first token, look-up, loading and encoding of blocks not counted, in ms. */
  readyMs: z.number().optional(),
  /** Operations to the first token. */
  flops: z.number().optional(),
  /** Context tokens that the policy recomputed, and the time it took in ms. */
  recomputed: z.object({ tokens: z.number(), ms: z.number() }).optional(),
  /** Negative log-likelihood of what is right, per token in nats. Absent where nothing is. */
  nll: z.number().optional(),
  /** The same of an answer that another passage is right for. */
  wrongNll: z.number().optional(),
  /** KL divergence of the first token, full from this, in nats; and whether both rank the same token first. */
  kl: z.number().optional(),
  sameTop: z.boolean().optional(),
  /** Of an answer that others are compared with. */
  tokens: z.array(z.number()).optional(),
  /** The prompt does not fit the context: there is no answer. */
  overflow: z.boolean().optional(),
});
export type Answer = z.infer<typeof answerSchema>;

/** The answers of an earlier run in a file that this one goes on with, or none, in memory. @throws INVALID_DATA as ResultsFile.open */
export async function openAnswers(path: string | undefined): Promise<ResultsFile<Answer>> {
  return path === undefined ? ResultsFile.memory() : await ResultsFile.open<Answer>(path, answerSchema);
}

/** Texts that end an answer: models without a chat template go on to ask the next question. */
export const answerStops = ['\nQuestion:'] as const;

/** Full attention, or block mode under a policy. */
export type Read = ContextPolicy | null;

export interface MeasurementOptions {
  readonly engine: Engine;
  readonly questions: readonly Question[];
  readonly file: ResultsFile<Answer>;
  /** What else an answer depends on. */
  readonly settings: unknown;
  readonly maxTokens: number;
  readonly parallel: number;
  readonly answerStyle?: 'free' | 'short' | undefined;
  /** Full attention's answers are what is right. Defaults to false. */
  readonly own?: boolean | undefined;
  /** Blocks are compared with full attention, which is then read first. */
  readonly compared: boolean;
  readonly signal?: AbortSignal | undefined;
  /** Told of every answer, and whether it came from the file. */
  readonly onAnswer?: ((reused: boolean) => void) | undefined;
}

/** Full attention's logits that are kept for policies yet to come. Beyond them a prompt is read again. */
const logitBytes = 256 * 2 ** 20;

export class Measurement {
  readonly #options: MeasurementOptions;
  readonly #answers = new Map<string, Answer[]>();
  readonly #logits = new Map<number, Float32Array>();
  #logitBytes = 0;

  constructor(options: MeasurementOptions) {
    this.#options = options;
  }

  /** By question; holes where nothing was measured yet. */
  answers(read: Read): readonly Answer[] {
    return this.#answersOf(read);
  }

  /**
   * Measures the first `to` questions (default: all) in these ways, in order, as far as they are not.
   * @throws ABORTED; what Engine.answer() throws, but CONTEXT_OVERFLOW
   */
  async run(
    reads: readonly Read[],
    { to, signal = this.#options.signal }: { readonly to?: number; readonly signal?: AbortSignal | undefined } = {},
  ): Promise<void> {
    const { parallel } = this.#options;
    await runJobs(this.#contexts(to), { parallel, signal }, async (indexes, either) => {
      for (const index of indexes) for (const read of reads) await this.#measure(index, read, either);
    });
  }

  /** Runs of questions over the same passages. */
  #contexts(to: number | undefined): number[][] {
    const runs: number[][] = [];
    let before: string | undefined;
    for (const [i, { passages }] of this.#options.questions.slice(0, to).entries()) {
      const context = JSON.stringify(passages);
      if (context === before) runs.at(-1)?.push(i);
      else runs.push([i]);
      before = context;
    }
    return runs;
  }

  async #measure(index: number, read: Read, signal: AbortSignal): Promise<void> {
    const { questions, file, onAnswer } = this.#options;
    const answers = this.#answersOf(read);
    const question = questions[index];
    if (question === undefined || answers[index] !== undefined) return;
    const key = this.#key(question, read);
    const known = file.get(key);
    const answer = known ?? (await this.#ask(index, question, read, signal));
    if (known === undefined) await file.add(key, answer);
    answers[index] = answer;
    onAnswer?.(known !== undefined);
  }

  async #ask(index: number, question: Question, read: Read, signal: AbortSignal): Promise<Answer> {
    const { own = false, compared, maxTokens } = this.#options;
    const right = own ? this.#ownAnswer(index, read) : question.answers[0];
    const score = [right, own || right === undefined ? undefined : question.wrong].filter((text) => text !== undefined);
    try {
      const { result, logits, said } = await this.#read(question, read, { score, maxTokens, signal });
      const { text, tokens, ttftMs, timings, flops, recomputed, reusedTokens, scores } = result;
      if (read === null) this.#keep(index, logits);
      const full = read === null || !compared ? undefined : await this.#fullLogits(index, question, signal);
      const [gold, wrong] = own && read === null ? [said] : scores;
      return {
        text,
        promptTokens: tokens.context + tokens.question,
        answerTokens: tokens.answer,
        // As if all blocks were there: what encoding them cost counts once, whatever is asked of them.
        ...(reusedTokens === 0 && { readyMs: ttftMs - timings.acquireMs, flops: flops.spent - flops.encoding }),
        ...(own && read === null && { tokens: said.ids }),
        ...(recomputed.tokens > 0 && { recomputed }),
        ...perToken('nll', gold),
        ...perToken('wrongNll', wrong),
        ...(full && firstTokenKl(full, logits)),
      };
    } catch (error) {
      // All modes read the same prompt, so all leave it out.
      if (BlockAttentionError.isInstance(error) && error.code === 'CONTEXT_OVERFLOW') {
        return { text: '', promptTokens: 0, answerTokens: 0, overflow: true };
      }
      throw error;
    }
  }

  async #read(
    { question, passages }: Question,
    read: Read,
    options: {
      readonly score: readonly (string | readonly number[])[];
      readonly maxTokens: number;
      readonly signal: AbortSignal;
    },
  ) {
    const { engine, answerStyle } = this.#options;
    const ids: number[] = [];
    let logprob = 0;
    let logits = new Float32Array(0);
    const result = await engine.answer({
      question,
      passages,
      ...options,
      mode: read === null ? 'full' : 'block',
      policy: read ?? undefined,
      answerStyle,
      stop: answerStops,
      onToken: (report) => {
        ids.push(report.token);
        logprob += report.logprob;
      },
      onPromptLogits: (all) => {
        logits = all.slice();
      },
    }).result;
    if (result.stopReason === 'aborted') throw new BlockAttentionError('ABORTED', 'the evaluation was cancelled');
    return { result, logits, said: { ids, tokens: ids.length, logprob } };
  }

  /** Full attention's answer where it gives one: its very tokens, which its text may not lead back to. */
  #ownAnswer(index: number, read: Read): readonly number[] | undefined {
    const { text = '', tokens } = this.#answersOf(null)[index] ?? {};
    return read === null || abstains(text) ? undefined : tokens;
  }

  /** Full attention's logits of the first token; read again where they are not kept. */
  async #fullLogits(index: number, question: Question, signal: AbortSignal): Promise<Float32Array> {
    const kept = this.#logits.get(index);
    if (kept !== undefined) return kept;
    const { logits } = await this.#read(question, null, { score: [], maxTokens: 1, signal });
    this.#keep(index, logits);
    return logits;
  }

  #keep(index: number, logits: Float32Array): void {
    this.#logits.set(index, logits);
    this.#logitBytes += logits.byteLength;
    for (const [oldest, { byteLength }] of this.#logits) {
      if (this.#logitBytes <= logitBytes) break;
      this.#logits.delete(oldest);
      this.#logitBytes -= byteLength;
    }
  }

  #answersOf(read: Read): Answer[] {
    const name = read?.name ?? '';
    const known = this.#answers.get(name) ?? [];
    this.#answers.set(name, known);
    return known;
  }

  #key(question: Question, read: Read): string {
    const { settings, maxTokens, answerStyle = 'free', own = false, compared } = this.#options;
    return resultKey([
      'answer 2',
      settings,
      maxTokens,
      answerStops,
      answerStyle,
      question.question,
      question.passages.map(({ title, text, previous }) =>
        previous !== undefined && read !== null && seesNeighbour(read) ? [title, text, previous] : [title, text],
      ),
      own ? 'own' : [question.answers[0], question.wrong],
      read === null ? 'full' : [read.name, compared],
    ]);
  }
}

/** Every policy once, in order; full attention before them. */
export function readsOf(full: boolean, policies: readonly ContextPolicy[]): Read[] {
  return [...(full ? [null] : []), ...new Map(policies.map((policy) => [policy.name, policy])).values()];
}

/** Whether this is block mode as it is without any policy. */
export function isPlain(read: Read): boolean {
  return read?.name === plainPolicy.name;
}

function perToken<T extends 'nll' | 'wrongNll'>(
  name: T,
  score: { readonly tokens: number; readonly logprob: number } | undefined,
): { readonly [key in T]?: number } {
  if (score === undefined || score.tokens === 0) return {};
  return { [name]: -score.logprob / score.tokens } as { readonly [key in T]?: number };
}
