/** Conversations as state of the page: the one that is open, those of before, and asking. */
import { useCallback, useEffect, useRef, useState } from 'preact/hooks';
import type { Client } from '../api/client.ts';
import { asFailure } from '../api/failure.ts';
import { type Conversation, messagesOf, newTurn, reduceTurn, type TurnEvent } from './conversation.ts';
import { loadConversations, saveConversations } from './conversation-store.ts';

export interface Conversations {
  readonly open: Conversation;
  /** All with a question, the latest first. */
  readonly all: readonly Conversation[];
  readonly running: boolean;
  /** @returns whether it was answered */
  readonly ask: (question: string) => Promise<boolean>;
  readonly stop: () => void;
  readonly begin: () => void;
  readonly choose: (id: string) => void;
  readonly remove: (id: string) => void;
}

function empty(): Conversation {
  return { id: `${Date.now()}-${Math.random().toString(36).slice(2)}`, askedAt: 0, turns: [] };
}

/**
 * @param model that answers from the documents @param alone whether questions are sent without those before them @param keyed whether a key is used @param onKey called when it is refused
 */
export function useConversations(
  client: Client,
  {
    model,
    alone,
    keyed,
    onKey,
  }: { readonly model: string; readonly alone: boolean; readonly keyed: boolean; readonly onKey: () => void },
): Conversations {
  const place = keyed ? sessionStorage : localStorage;
  const [all, setAll] = useState<readonly Conversation[]>(() => loadConversations(place));
  const [open, setOpen] = useState(empty);
  const [running, setRunning] = useState(false);
  const current = useRef<AbortController | undefined>(undefined);
  useEffect(() => setAll(loadConversations(place)), [place]);

  const keep = useCallback(
    (conversation: Conversation) =>
      setAll((before) => {
        const after = [conversation, ...before.filter(({ id }) => id !== conversation.id)];
        saveConversations(place, after);
        return after;
      }),
    [place],
  );
  const stop = useCallback(() => current.current?.abort(), []);
  const show = useCallback(
    (conversation: Conversation) => {
      stop();
      setOpen(conversation);
    },
    [stop],
  );

  const ask = async (question: string): Promise<boolean> => {
    stop();
    const control = new AbortController();
    current.current = control;
    let turn = newTurn(question);
    const started = performance.now();
    const { id, turns: before } = open;
    const conversation = () => ({ id, askedAt: Date.now(), turns: [...before, turn] });
    const send = (event: TurnEvent) => {
      turn = reduceTurn(turn, event);
      setOpen((shown) => (shown.id === id ? conversation() : shown));
    };
    setOpen(conversation());
    setRunning(true);
    try {
      const body = { model, messages: messagesOf(alone ? [] : before, question), retrieval: {}, stream: true as const };
      for await (const chunk of client.chat({ ...body, stream_options: { include_usage: true } }, control.signal)) {
        send({ type: 'chunk', chunk, ms: performance.now() - started });
      }
      send({ type: 'end' });
    } catch (error) {
      const failure = control.signal.aborted ? undefined : asFailure(error);
      send(failure ? { type: 'fail', message: failure.message } : { type: 'stop' });
      if (failure?.kind === 'key') onKey();
    } finally {
      if (current.current === control) setRunning(false);
      keep(conversation());
    }
    return turn.state === 'done';
  };

  return {
    open,
    all,
    running,
    ask,
    stop,
    begin: () => show(empty()),
    choose: (id) => {
      const chosen = all.find((one) => one.id === id);
      if (chosen) show(chosen);
    },
    remove: (id) => {
      const after = all.filter((one) => one.id !== id);
      setAll(after);
      saveConversations(place, after);
      if (open.id === id) show(empty());
    },
  };
}
