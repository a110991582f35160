/**
 * Conversations in the browser: where no key is used, until they are deleted; with a key, which somebody else at this
 * browser may not have, until the tab is closed. Nothing is sent anywhere.
 */
import type { Conversation, Turn } from './conversation.ts';

const storageKey = 'block-attention-conversations';
const most = 30;

export type Place = Pick<Storage, 'getItem' | 'setItem' | 'removeItem'>;

/** The latest first; none where what lies there cannot be read. */
export function loadConversations(place: Place): Conversation[] {
  try {
    const value: unknown = JSON.parse(place.getItem(storageKey) ?? '[]');
    return Array.isArray(value) ? value.filter(isConversation).map(settled) : [];
  } catch {
    return [];
  }
}

/** Keeps as many of the latest as there is room for. */
export function saveConversations(place: Place, all: readonly Conversation[]): void {
  const kept = all.filter(({ turns }) => turns.length > 0).slice(0, most);
  for (let count = kept.length; count > 0; count = Math.floor(count / 2)) {
    try {
      place.setItem(storageKey, JSON.stringify(kept.slice(0, count).map(slim)));
      return;
    } catch {
      // The browser's store is full: fewer.
    }
  }
  place.removeItem(storageKey);
}

/** Passages are the documents' to keep: of those that were read, the names stay; of those that are cited, the text. */
function slim({ turns, ...rest }: Conversation): Conversation {
  return {
    ...rest,
    turns: turns.map((turn) => ({
      ...turn,
      retrieval: turn.retrieval && {
        ...turn.retrieval,
        passages: turn.retrieval.passages.map((passage) => ({ ...passage, text: '' })),
      },
    })),
  };
}

/** What was under way when the page was left ended there. */
function settled({ turns, ...rest }: Conversation): Conversation {
  const over = (turn: Turn) => (turn.state === 'waiting' || turn.state === 'streaming' ? 'stopped' : turn.state);
  return { ...rest, turns: turns.map((turn) => ({ ...turn, state: over(turn) })) };
}

function isConversation(value: unknown): value is Conversation {
  if (typeof value !== 'object' || value === null) return false;
  const { id, askedAt, turns } = value as Partial<Conversation>;
  if (typeof id !== 'string' || typeof askedAt !== 'number' || !Array.isArray(turns)) return false;
  return turns.every((turn) => typeof turn?.question === 'string' && typeof turn.answer === 'string');
}
