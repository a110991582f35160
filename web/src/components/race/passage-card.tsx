/** One passage of the list: handle, text, what can be done with it. */
import { useState } from 'preact/hooks';
import { integer } from '../../lib/format.ts';
import type { Passage } from '../../state/passages.ts';
import { Cross, Grip, Pencil } from '../icons.tsx';
import { PassageForm } from './passage-form.tsx';

interface Props {
  readonly passage: Passage;
  readonly index: number;
  readonly tokens: number | undefined;
  readonly kept: boolean;
  readonly dragged: boolean;
  readonly disabled: boolean;
  readonly onGrab: (event: PointerEvent) => void;
  /** @param by steps down; negative for up */
  readonly onStep: (by: number) => void;
  readonly onEdit: (title: string, text: string) => void;
  readonly onRemove: () => void;
}

export function PassageCard(props: Props) {
  const { passage, index, tokens, kept, dragged, disabled, onGrab, onStep, onEdit, onRemove } = props;
  const [editing, setEditing] = useState(false);
  const name = passage.title || `Passage ${index + 1}`;
  if (editing) {
    return (
      <li class="passage passage-editing">
        <PassageForm
          title={passage.title}
          text={passage.text}
          submit="Save"
          onSubmit={(title, text) => {
            setEditing(false);
            onEdit(title, text);
          }}
          onCancel={() => setEditing(false)}
        />
      </li>
    );
  }
  return (
    <li class={`passage ${dragged ? 'passage-dragged' : ''}`}>
      <button
        type="button"
        class="icon-button grip"
        disabled={disabled}
        aria-label={`Move ${name}, ${index + 1}: arrow keys, or drag`}
        onPointerDown={onGrab}
        onKeyDown={(event) => {
          const by = steps[event.key];
          if (by === undefined) return;
          event.preventDefault();
          onStep(by);
        }}
      >
        <Grip />
      </button>
      <div class="passage-body">
        <h3>{name}</h3>
        <p>{passage.text}</p>
        <p class="passage-facts">
          {tokens === undefined ? `${integer(passage.text.length)} characters` : `${integer(tokens)} tokens`}
          {kept && <span class="kept">kept</span>}
        </p>
      </div>
      <div class="passage-actions">
        <button
          type="button"
          class="icon-button"
          disabled={disabled}
          aria-label={`Edit ${name}`}
          title="Edit"
          onClick={() => setEditing(true)}
        >
          <Pencil />
        </button>
        <button
          type="button"
          class="icon-button"
          disabled={disabled}
          aria-label={`Remove ${name}`}
          title="Remove"
          onClick={onRemove}
        >
          <Cross />
        </button>
      </div>
    </li>
  );
}

const steps: Record<string, number> = { ArrowUp: -1, ArrowDown: 1, Home: -1e6, End: 1e6 };
