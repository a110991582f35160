/**
 * A conversation over an index: earlier turns are blocks of their own, so a new question costs its own passages and
 * itself, however long the conversation has become.
 */
import type { Turn } from '../../engine/index.ts';
import { answerFromDocuments, type DocumentAnswerStream, type DocumentQuestion } from './answer-documents.ts';

export interface ConversationOptions extends Omit<DocumentQuestion, 'question' | 'history' | 'signal'> {
  /** Turns that are kept, the latest ones. Defaults to 8. */
  readonly mostTurns?: number | undefined;
}

export interface Conversation {
  /** Finished turns that the next question brings along, oldest first. */
  readonly turns: readonly Turn[];
  /** Answers, and remembers question and answer once complete. One question at a time. */
  ask(question: string, options?: { readonly signal?: AbortSignal | undefined }): DocumentAnswerStream;
}

export function createConversation({ mostTurns = 8, ...options }: ConversationOptions): Conversation {
  let turns: readonly Turn[] = [];
  return {
    get turns() {
      return turns;
    },
    ask(question, { signal } = {}) {
      const stream = answerFromDocuments({ ...options, question, history: turns, signal });
      const result = stream.result.then((answer) => {
        const said = answer.text.trim();
        const whole = answer.stopReason !== 'aborted' && said !== '';
        if (whole && mostTurns > 0) turns = [...turns, { user: question, assistant: said }].slice(-mostTurns);
        return answer;
      });
      result.catch(() => undefined);
      return { [Symbol.asyncIterator]: () => stream[Symbol.asyncIterator](), result };
    },
  };
}
