/** The page: who is served by what, and the views: questions to the documents, and the race. */
import { useState } from 'preact/hooks';
import type { ModelInfo } from './api/types.ts';
import { AskView } from './components/ask/ask-view.tsx';
import { FailureNote } from './components/failure-note.tsx';
import { KeyForm } from './components/key-form.tsx';
import { PageHeader } from './components/page-header.tsx';
import { RaceView } from './components/race/race-view.tsx';
import { useDocuments } from './state/use-documents.ts';
import { useServer } from './state/use-server.ts';
import { useView } from './state/use-view.ts';

export function App() {
  const server = useServer();
  const [said, announce] = useState('');
  const { client, model, failure } = server;
  const documents = useDocuments(client, failure ? undefined : served(model), announce);
  const view = useView(documents.status, failure !== undefined);
  return (
    <>
      <a class="skip" href="#main">
        Skip to the {view === 'race' ? 'race' : 'question'}
      </a>
      <PageHeader
        model={model}
        view={view}
        state={failure ? 'failed' : model ? 'ready' : 'connecting'}
        onForgetKey={server.key === '' ? undefined : () => server.signIn('', false)}
      />
      <main id="main" tabIndex={-1}>
        {failure?.kind === 'key' ? (
          <KeyForm refused={server.key !== ''} onKey={server.signIn} />
        ) : (
          failure && <FailureNote failure={failure} onRetry={server.retry} retryLabel="Connect again" />
        )}
        {view === 'ask' && model && documents.status === 'there' && (
          <AskView
            client={client}
            model={model}
            documents={documents}
            keyed={server.key !== ''}
            onKey={server.retry}
            announce={announce}
          />
        )}
        {view === 'ask' && documents.status === 'absent' && <NoDocuments />}
        <RaceView server={server} hidden={view !== 'race'} announce={announce} />
      </main>
      <p class="announcer" role="status">
        {said}
      </p>
    </>
  );
}

function served(model: ModelInfo | undefined): boolean | undefined {
  return model && typeof model.block_attention?.documents === 'string';
}

function NoDocuments() {
  return (
    <div class="intro">
      <h1>Ask your documents</h1>
      <p>This server answers from the passages that requests bring. To ask a folder of documents, start it with</p>
      <p>
        <code>npx block-attention up ./docs</code>
      </p>
    </div>
  );
}
