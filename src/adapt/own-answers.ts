/**
 * The model's own answers in full mode, as training data: what block mode is to say, too. One line per context, written as
 * soon as it is answered, so that an interruption loses one context at most.
 */
import { appendFile, readFile, writeFile } from 'node:fs/promises';
import { BlockAttentionError } from '@block-attention/engine/internal/base';
import type { Engine } from '@block-attention/engine/internal/engine';
import type { PracticeContext } from './practice.ts';

/** Tokens of an answer: where two modes part, they do so early. */
export const answerTokens = 24;

export interface AnswersProgress {
  /** Contexts, and questions answered. */
  readonly done: number;
  readonly total: number;
}

interface Line {
  readonly context: number;
  readonly questions: readonly { readonly question: string; readonly answer: string }[];
}

export class OwnAnswers {
  readonly path: string;
  #next: number;

  private constructor(path: string, next: number) {
    this.path = path;
    this.#next = next;
  }

  /** Goes on after the last whole line of a file. */
  static async open(path: string): Promise<OwnAnswers> {
    const text = await readFile(path, 'utf8').catch(() => '');
    const whole = text.slice(0, text.lastIndexOf('\n') + 1);
    if (whole.length < text.length) await writeFile(path, whole);
    const last = whole.trimEnd().split('\n').at(-1) ?? '';
    return new OwnAnswers(path, last === '' ? 0 : (JSON.parse(last) as Line).context + 1);
  }

  /** Contexts that were looked at. */
  get done(): number {
    return this.#next;
  }

  /**
   * Answers contexts up to the `count`th, as far as they go. Those that exceed the model's context, and questions that it
   * says nothing to, are left out.
   * @throws ABORTED, and what answering throws
   */
  async answer(
    contexts: Iterable<PracticeContext>,
    { engine, count, signal, onProgress }: AnswerOptions,
  ): Promise<void> {
    let index = -1;
    for (const context of contexts) {
      index++;
      if (index >= count) return;
      if (index < this.#next) continue;
      const questions = await answersTo(context, engine, signal);
      if (questions.length > 0) {
        const line: Line = { context: index, questions };
        await appendFile(this.path, `${JSON.stringify({ ...line, passages: context.passages })}\n`);
      }
      this.#next = index + 1;
      onProgress?.({ done: this.#next, total: count });
    }
  }
}

export interface AnswerOptions {
  readonly engine: Engine;
  /** Contexts in all, those of before included. */
  readonly count: number;
  readonly signal?: AbortSignal | undefined;
  readonly onProgress?: ((progress: AnswersProgress) => void) | undefined;
}

async function answersTo(
  { passages, questions }: PracticeContext,
  engine: Engine,
  signal: AbortSignal | undefined,
): Promise<Line['questions']> {
  const answerTo = async (question: string) => {
    const asked = { passages, question, mode: 'full', maxTokens: answerTokens, temperature: 0, signal } as const;
    const { text } = await engine.answer(asked).result.catch((error: unknown) => {
      if (BlockAttentionError.isInstance(error) && error.code === 'CONTEXT_OVERFLOW') return { text: '' };
      throw error;
    });
    return { question, answer: text.trim() };
  };
  // The first one reads the passages; the others go on from there.
  const [first = '', ...others] = questions;
  const answers = [await answerTo(first), ...(await Promise.all(others.map(answerTo)))];
  return answers.filter(({ answer }) => answer !== '');
}
