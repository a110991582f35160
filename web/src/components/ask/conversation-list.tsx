/** Conversations of before. */
import { titleOf } from '../../state/conversation.ts';
import type { Conversations } from '../../state/use-conversations.ts';
import { Cross, Plus } from '../icons.tsx';

interface Props {
  readonly conversations: Conversations;
  readonly keyed: boolean;
}

export function ConversationList({ conversations: { open, all, begin, choose, remove }, keyed }: Props) {
  return (
    <section class="panel conversations" aria-labelledby="conversations-title">
      <div class="panel-head">
        <h2 id="conversations-title">Conversations</h2>
        <button type="button" class="button" onClick={begin} disabled={open.turns.length === 0}>
          <Plus />
          New
        </button>
      </div>
      {all.length > 0 && (
        <ul>
          {all.map((conversation) => (
            <li key={conversation.id}>
              <button
                type="button"
                class="conversation"
                aria-current={conversation.id === open.id ? 'true' : undefined}
                onClick={() => choose(conversation.id)}
              >
                {titleOf(conversation)}
              </button>
              <button
                type="button"
                class="icon-button"
                aria-label={`Delete the conversation ${titleOf(conversation)}`}
                title="Delete"
                onClick={() => remove(conversation.id)}
              >
                <Cross />
              </button>
            </li>
          ))}
        </ul>
      )}
      <p class="quiet small">
        {keyed ? 'Kept in this browser until the tab is closed.' : 'Kept in this browser alone.'}
      </p>
    </section>
  );
}
