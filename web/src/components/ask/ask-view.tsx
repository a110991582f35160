/** Questions to the documents: the conversation, and beside it what is answered from. */
import { useEffect, useState } from 'preact/hooks';
import type { Client } from '../../api/client.ts';
import type { ModelInfo } from '../../api/types.ts';
import { useConversations } from '../../state/use-conversations.ts';
import type { Documents } from '../../state/use-documents.ts';
import { DocumentsPanel } from '../documents/documents-panel.tsx';
import { statusText } from '../documents/documents-status.tsx';
import { useDrop } from '../documents/use-drop.ts';
import { ModeNote } from '../mode-note.tsx';
import { useWide } from '../use-wide.ts';
import { Composer } from './composer.tsx';
import { ConversationList } from './conversation-list.tsx';
import { TurnView } from './turn-view.tsx';

interface Props {
  readonly client: Client;
  readonly model: ModelInfo;
  readonly documents: Documents;
  readonly keyed: boolean;
  readonly onKey: () => void;
  readonly announce: (text: string) => void;
}

export function AskView({ client, model, documents, keyed, onKey, announce }: Props) {
  const { state } = documents;
  const name = state?.model ?? 'docs';
  const alone = model.block_attention?.layout !== undefined && model.block_attention.layout !== 'chat';
  const conversations = useConversations(client, { model: name, alone, keyed, onKey });
  const { open, running } = conversations;
  const [question, setQuestion] = useState('');
  const wide = useWide();
  const drop = useDrop((files) => void documents.send(files));
  const last = open.turns.length - 1;
  const lastState = open.turns[last]?.state;
  useEffect(() => {
    if (lastState !== undefined) document.getElementById(`turn-${last}`)?.scrollIntoView({ block: 'nearest' });
  }, [last, lastState]);

  const ask = async () => {
    const asked = question.trim();
    setQuestion('');
    const answered = await conversations.ask(asked);
    announce(answered ? 'The answer is complete.' : 'The question was not answered.');
  };

  return (
    <div class={`ask-view ${drop.over ? 'dropping' : ''}`} {...drop.handlers}>
      {!wide && <DocumentsPanel documents={documents} wide={false} />}
      <section class="talk" aria-labelledby="talk-title">
        <h1 id="talk-title">Ask your documents</h1>
        {open.turns.length === 0 ? (
          <Welcome documents={documents} />
        ) : (
          <ol class="turns">
            {open.turns.map((turn, index) => (
              <TurnView key={index} turn={turn} index={index} />
            ))}
          </ol>
        )}
        <Composer
          question={question}
          running={running}
          onQuestion={setQuestion}
          onAsk={() => void ask()}
          onStop={conversations.stop}
        />
        {alone && open.turns.length > 0 && (
          <p class="quiet small">This model reads each question by itself: name what it is about.</p>
        )}
      </section>
      <aside class="aside" aria-label="Documents and conversations">
        {wide && <DocumentsPanel documents={documents} wide />}
        <ModeNote model={model} />
        <ConversationList conversations={conversations} keyed={keyed} />
      </aside>
      {drop.over && (
        <p class="drop-sign" aria-hidden="true">
          Drop to add the files
        </p>
      )}
    </div>
  );
}

function Welcome({ documents: { state } }: { readonly documents: Documents }) {
  if (state === undefined) return <p class="quiet welcome">Looking at the documents …</p>;
  const empty = state.files === 0 && state.phase === 'ready';
  return (
    <div class="welcome">
      <p>
        {empty
          ? 'There are no documents yet. Drop files anywhere on this page, or put them into the folder: they can be asked about a moment later.'
          : 'Ask in your own words. The answer names file and lines, and opens the passage it rests on.'}
      </p>
      {!empty && <p class="quiet small">{statusText(state)}</p>}
    </div>
  );
}
