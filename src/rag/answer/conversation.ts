/**
 * Conversations, over an index or over passages that stay: earlier turns are blocks of their own, so a new question
 * costs its own passages and itself, however long the conversation has become.
 */
import type { AnswerRequest, AnswerResult, Engine, Turn } from '@block-attention/engine/internal/engine';
import { answerFromDocuments, type DocumentAnswer, type DocumentQuestion } from './answer-documents.ts';

export interface ConversationLimits {
  /** Turns that are kept, the latest ones. Defaults to 8. */
  readonly mostTurns?: number | undefined;
}

/** A conversation over an index: passages are found for each question. */
export type ConversationOptions = Omit<DocumentQuestion, 'question' | 'history' | 'signal' | 'documents'> &
  ConversationLimits;

/** A conversation over passages that stay the same. */
export type DialogueOptions = Omit<AnswerRequest, 'question' | 'history' | 'signal'> &
  ConversationLimits & { readonly engine: Engine };

export interface Conversation<Result extends AnswerResult = DocumentAnswer> {
  /** Finished turns that the next question brings along, oldest first. */
  readonly turns: readonly Turn[];
  /** Answers, and remembers question and answer once complete. One question at a time. */
  ask(question: string, options?: { readonly signal?: AbortSignal | undefined }): ConversationAnswer<Result>;
}

/** The pieces of an answer, and the whole. */
export interface ConversationAnswer<Result> extends AsyncIterable<string> {
  readonly result: Promise<Result>;
}

export function createConversation(options: ConversationOptions): Conversation {
  const { mostTurns, ...request } = options;
  return remember(mostTurns, (question, history, signal) =>
    answerFromDocuments({ ...request, question, history, signal }),
  );
}

export function createDialogue(options: DialogueOptions): Conversation<AnswerResult> {
  const { mostTurns, engine, ...request } = options;
  return remember(mostTurns, (question, history, signal) => engine.answer({ ...request, question, history, signal }));
}

function remember<Result extends AnswerResult>(
  mostTurns = 8,
  answer: (question: string, history: readonly Turn[], signal: AbortSignal | undefined) => ConversationAnswer<Result>,
): Conversation<Result> {
  let turns: readonly Turn[] = [];
  return {
    get turns() {
      return turns;
    },
    ask(question, { signal } = {}) {
      const stream = answer(question, turns, signal);
      const result = stream.result.then((complete) => {
        const said = complete.text.trim();
        const whole = complete.stopReason !== 'aborted' && said !== '';
        if (whole && mostTurns > 0) turns = [...turns, { user: question, assistant: said }].slice(-mostTurns);
        return complete;
      });
      result.catch(() => undefined);
      return { [Symbol.asyncIterator]: () => stream[Symbol.asyncIterator](), result };
    },
  };
}
