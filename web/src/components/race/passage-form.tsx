/** Writes or edits one passage. */
import { useEffect, useRef, useState } from 'preact/hooks';

interface Props {
  readonly title: string;
  readonly text: string;
  readonly submit: string;
  readonly onSubmit: (title: string, text: string) => void;
  readonly onCancel: () => void;
}

export function PassageForm({ title: initialTitle, text: initialText, submit, onSubmit, onCancel }: Props) {
  const [title, setTitle] = useState(initialTitle);
  const [text, setText] = useState(initialText);
  const area = useRef<HTMLTextAreaElement>(null);
  useEffect(() => area.current?.focus(), []);
  return (
    <form
      class="passage-form"
      onSubmit={(event) => {
        event.preventDefault();
        if (text.trim() !== '') onSubmit(title.trim(), text.trim());
      }}
      onKeyDown={(event) => {
        if (event.key === 'Escape') onCancel();
      }}
    >
      <label class="field">
        <span>Title (optional)</span>
        <input type="text" value={title} onInput={(event) => setTitle(event.currentTarget.value)} />
      </label>
      <label class="field">
        <span>Text</span>
        <textarea ref={area} rows={6} value={text} onInput={(event) => setText(event.currentTarget.value)} />
      </label>
      <div class="form-actions">
        <button type="submit" class="button button-strong" disabled={text.trim() === ''}>
          {submit}
        </button>
        <button type="button" class="button button-quiet" onClick={onCancel}>
          Cancel
        </button>
      </div>
    </form>
  );
}
