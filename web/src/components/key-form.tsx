/** Asks for an API key. It is kept in memory, or in this tab's session storage if the visitor says so. */
import { useState } from 'preact/hooks';

interface Props {
  /** Whether a key was sent and refused. */
  readonly refused: boolean;
  readonly onKey: (key: string, keep: boolean) => void;
}

export function KeyForm({ refused, onKey }: Props) {
  const [key, setKey] = useState('');
  const [keep, setKeep] = useState(false);
  return (
    <form
      class="panel key-form"
      aria-labelledby="key-title"
      onSubmit={(event) => {
        event.preventDefault();
        onKey(key.trim(), keep);
      }}
    >
      <h2 id="key-title">This server asks for an API key</h2>
      <p class="quiet">It is sent to this server only, and forgotten when you leave the page.</p>
      {refused && (
        <p class="refused" role="alert">
          The server does not know this key.
        </p>
      )}
      <div class="key-row">
        <label class="field">
          <span>API key</span>
          <input
            type="password"
            name="api-key"
            autocomplete="off"
            value={key}
            onInput={(event) => setKey(event.currentTarget.value)}
          />
        </label>
        <button type="submit" class="button button-strong" disabled={key.trim() === ''}>
          Use this key
        </button>
      </div>
      <label class="check">
        <input type="checkbox" checked={keep} onChange={(event) => setKeep(event.currentTarget.checked)} />
        <span>Keep it until this tab is closed</span>
      </label>
    </form>
  );
}
