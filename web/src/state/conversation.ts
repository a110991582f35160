/** A conversation with the documents: its turns, and how they come about. Pure; the page keeps the value. */
import type { Account, Chunk, Retrieved } from '../api/types.ts';

export interface Turn {
  readonly question: string;
  readonly answer: string;
  readonly state: 'waiting' | 'streaming' | 'done' | 'stopped' | 'failed';
  /** From sending to the first piece of the answer, in ms of the page's clock. */
  readonly firstTokenMs: number | undefined;
  readonly finish: string | undefined;
  readonly account: Account | undefined;
  readonly retrieval: Retrieved | undefined;
  /** Why it failed, in words. */
  readonly failure: string | undefined;
}

export interface Conversation {
  readonly id: string;
  /** When its last question was asked, in ms since 1970. */
  readonly askedAt: number;
  readonly turns: readonly Turn[];
}

export type TurnEvent =
  | { readonly type: 'chunk'; readonly chunk: Chunk; readonly ms: number }
  | { readonly type: 'end' }
  | { readonly type: 'stop' }
  | { readonly type: 'fail'; readonly message: string };

export function newTurn(question: string): Turn {
  return {
    question,
    answer: '',
    state: 'waiting',
    firstTokenMs: undefined,
    finish: undefined,
    account: undefined,
    retrieval: undefined,
    failure: undefined,
  };
}

export function reduceTurn(turn: Turn, event: TurnEvent): Turn {
  if (event.type === 'stop') return isOver(turn) ? turn : { ...turn, state: 'stopped' };
  if (event.type === 'fail') return { ...turn, state: 'failed', failure: event.message };
  if (event.type === 'end') return { ...turn, state: 'done' };
  const { chunk, ms } = event;
  const [choice] = chunk.choices;
  const piece = choice?.delta?.content ?? '';
  const begins = turn.firstTokenMs === undefined && piece !== '';
  return {
    ...turn,
    ...(begins && { state: 'streaming' as const, firstTokenMs: ms }),
    answer: turn.answer + piece,
    finish: choice?.finish_reason ?? turn.finish,
    account: chunk.block_attention ?? turn.account,
    retrieval: chunk.retrieval ?? turn.retrieval,
  };
}

export function isOver({ state }: Turn): boolean {
  return state !== 'waiting' && state !== 'streaming';
}

/** Earlier turns that a new question brings along. */
const mostTurns = 8;

/** What is sent: turns that were answered, then the question. */
export function messagesOf(turns: readonly Turn[], question: string) {
  const answered = turns.filter(({ state, answer }) => state === 'done' && answer.trim() !== '').slice(-mostTurns);
  const earlier = answered.flatMap((turn) => [
    { role: 'user' as const, content: turn.question },
    { role: 'assistant' as const, content: turn.answer.trim() },
  ]);
  return [...earlier, { role: 'user' as const, content: question }];
}

export function titleOf({ turns }: Conversation): string {
  return turns[0]?.question ?? 'New conversation';
}
