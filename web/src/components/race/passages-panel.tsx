/** The passages: sample sets, adding, editing, removing, ordering, pasting, dropping files. */
import { useState } from 'preact/hooks';
import type { Client } from '../../api/client.ts';
import type { Document, Plan } from '../../api/types.ts';
import { samples } from '../../lib/samples.ts';
import { cutFiles, pastedName } from '../../state/cut-files.ts';
import type { Passages, PassagesAction } from '../../state/passages.ts';
import { PassageCard } from './passage-card.tsx';
import { PassageForm } from './passage-form.tsx';
import { PassagesTools } from './passages-tools.tsx';
import { useReorder } from './use-reorder.ts';

interface Props {
  readonly client: Client;
  readonly passages: Passages;
  readonly plan: Plan | undefined;
  readonly disabled: boolean;
  readonly sample: string;
  readonly onAction: (action: PassagesAction) => void;
  readonly onSample: (id: string) => void;
  readonly onForget: () => void;
  readonly announce: (text: string) => void;
}

export function PassagesPanel({
  client,
  passages,
  plan,
  disabled,
  sample,
  onAction,
  onSample,
  onForget,
  announce,
}: Props) {
  const { list } = passages;
  const [adding, setAdding] = useState(false);
  const [over, setOver] = useState(false);
  const [removed, setRemoved] = useState<{
    readonly index: number;
    readonly action: PassagesAction;
    readonly name: string;
  }>();
  const planned = plan?.blocks.filter(({ kind }) => kind === 'passage') ?? [];
  const nameOf = (index: number) => list[index]?.title || `Passage ${index + 1}`;
  const place = (key: number) => list.findIndex((passage) => passage.key === key);
  const reorder = useReorder(
    (key, to) => {
      if (place(key) !== to) onAction({ type: 'move', key, to });
    },
    () => announce('Passage moved.'),
  );

  const add = (documents: readonly Document[]) => {
    onAction({ type: 'add', documents });
    announce(`${documents.length} ${documents.length === 1 ? 'passage' : 'passages'} added.`);
  };
  const addFiles = async (files: Iterable<File>) => {
    const { documents, refused } = await cutFiles(client, [...files]);
    if (documents.length > 0) add(documents);
    for (const { name, reason } of refused) announce(`${name} was not read: ${reason}`);
  };
  const step = (index: number, by: number) => {
    const passage = list[index];
    const to = Math.max(0, Math.min(list.length - 1, index + by));
    if (passage === undefined || to === index) return;
    onAction({ type: 'move', key: passage.key, to });
    announce(`${nameOf(index)} is now number ${to + 1} of ${list.length}.`);
  };
  const remove = (index: number) => {
    const passage = list[index];
    if (passage === undefined) return;
    setRemoved({ index, name: nameOf(index), action: { type: 'restore', passage, at: index } });
    onAction({ type: 'remove', key: passage.key });
  };
  const paste = (event: ClipboardEvent) => {
    if (disabled || event.target instanceof HTMLInputElement || event.target instanceof HTMLTextAreaElement) return;
    const text = event.clipboardData?.getData('text/plain') ?? '';
    if (text.trim() !== '') void addFiles([new File([text], pastedName)]);
  };

  return (
    <section
      class={`panel passages ${over ? 'passages-over' : ''}`}
      aria-labelledby="passages-title"
      onPaste={paste}
      onDragOver={(event) => {
        event.preventDefault();
        setOver(!disabled);
      }}
      onDragLeave={() => setOver(false)}
      onDrop={(event) => {
        event.preventDefault();
        setOver(false);
        if (!disabled && event.dataTransfer) void addFiles(event.dataTransfer.files);
      }}
    >
      <div class="panel-head">
        <h2 id="passages-title">Passages</h2>
        <p class="quiet small">{list.length}</p>
      </div>
      <label class="field">
        <span>Sample</span>
        <select value={sample} disabled={disabled} onChange={(event) => onSample(event.currentTarget.value)}>
          {samples.map(({ id, name }) => (
            <option key={id} value={id}>
              {name}
            </option>
          ))}
          <option value="">Your own</option>
        </select>
      </label>
      <PassagesTools
        disabled={disabled}
        empty={list.length === 0}
        onAdd={() => setAdding(true)}
        onFiles={(files) => void addFiles(files)}
        onClear={() => onAction({ type: 'clear' })}
        onForget={onForget}
      />
      {adding && (
        <PassageForm
          title=""
          text=""
          submit="Add"
          onSubmit={(title, text) => {
            setAdding(false);
            add([{ title, text }]);
          }}
          onCancel={() => setAdding(false)}
        />
      )}
      {removed && (
        <p class="removed" role="status">
          {removed.name} was removed.{' '}
          <button
            type="button"
            class="button button-quiet"
            onClick={() => {
              onAction(removed.action);
              setRemoved(undefined);
            }}
          >
            Undo
          </button>
        </p>
      )}
      {list.length === 0 && !adding && <p class="quiet empty">No passages. Add one, paste text, or drop files here.</p>}
      <ol class="passage-list" ref={reorder.list}>
        {list.map((passage, index) => (
          <PassageCard
            key={passage.key}
            passage={passage}
            index={index}
            tokens={planned[index]?.tokens}
            kept={planned[index]?.cached != null}
            dragged={reorder.dragged === passage.key}
            disabled={disabled}
            onGrab={(event) => reorder.begin(event, passage.key)}
            onStep={(by) => step(index, by)}
            onEdit={(title, text) => onAction({ type: 'edit', key: passage.key, title, text })}
            onRemove={() => remove(index)}
          />
        ))}
      </ol>
    </section>
  );
}
