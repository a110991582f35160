/** What is answered from: folders, files that were sent, what was left out and why; and sending files. */

import { useRef } from 'preact/hooks';
import type { DocumentsState } from '../../api/types.ts';
import { bytes, counted, integer } from '../../lib/format.ts';
import type { Documents } from '../../state/use-documents.ts';
import { Cross, Upload } from '../icons.tsx';
import { DocumentsStatus, statusText } from './documents-status.tsx';
import { FileInput } from './file-input.tsx';

export function DocumentsPanel({ documents, wide }: { readonly documents: Documents; readonly wide: boolean }) {
  const { state, files, sending } = documents;
  const input = useRef<HTMLInputElement>(null);
  if (state === undefined) return null;
  const body = (
    <>
      <DocumentsStatus state={state} worded={wide} />
      <ul class="folders">
        {state.folders
          .filter(({ name, files: held, left_out_total }) => name !== 'uploads' || held + left_out_total > 0)
          .map((folder) => (
            <FolderView key={folder.name} folder={folder} />
          ))}
      </ul>
      {files.length > 0 && (
        <ul class="sent" aria-label="Files that were sent">
          {files.map(({ id, filename, bytes: size, status, status_details, passages }) => (
            <li key={id}>
              <span class="sent-name">{filename}</span>
              <span class="quiet small">
                {bytes(size)},{' '}
                {status === 'processed' ? counted(passages, 'passage') : (status_details ?? 'being read')}
              </span>
              <button
                type="button"
                class="icon-button"
                aria-label={`Delete ${filename}`}
                title="Delete"
                onClick={() => void documents.remove(id)}
              >
                <Cross />
              </button>
            </li>
          ))}
        </ul>
      )}
      {sending.length > 0 && (
        <ul class="sent" aria-label="Files on their way">
          {sending.map(({ key, name, failure }) => (
            <li key={key} class={failure === undefined ? '' : 'sent-failed'}>
              <span class="sent-name">{name}</span>
              <span class="quiet small">{failure ?? 'on its way …'}</span>
              {failure !== undefined && (
                <button
                  type="button"
                  class="icon-button"
                  aria-label={`Dismiss ${name}`}
                  onClick={() => documents.dismiss(key)}
                >
                  <Cross />
                </button>
              )}
            </li>
          ))}
        </ul>
      )}
      <button type="button" class="button add-files" onClick={() => input.current?.click()}>
        <Upload />
        Add files
      </button>
      <FileInput input={input} label="Files to add to the documents" onFiles={(files) => void documents.send(files)} />
      <p class="quiet small">
        Or drop them anywhere on the page. At most {integer(state.max_file_bytes / 2 ** 20)} MiB each.
      </p>
    </>
  );
  return (
    <section class="panel documents-panel" aria-labelledby="documents-title">
      {wide ? (
        <>
          <h2 id="documents-title">Documents</h2>
          {body}
        </>
      ) : (
        <details>
          <summary class="panel-summary">
            <h2 id="documents-title">Documents</h2>
            <span class="quiet small">{statusText(state)}</span>
          </summary>
          {body}
        </details>
      )}
    </section>
  );
}

function FolderView({ folder }: { readonly folder: DocumentsState['folders'][number] }) {
  const { name, files, passages, left_out, left_out_total, other_files, other_endings, notes, error } = folder;
  return (
    <li class="folder">
      <p>
        <b>{name === 'uploads' ? 'Files that were sent' : name}</b>{' '}
        <span class="quiet small">
          {counted(files, 'file')}, {counted(passages, 'passage')}
        </span>
      </p>
      {error !== null && <p class="refused small">It could not be read: {error}</p>}
      {left_out_total + other_files + notes.length > 0 && (
        <details class="left-out">
          <summary>{leftOutText(folder)}</summary>
          <ul>
            {left_out.map(({ path, reason }) => (
              <li key={path}>
                <span class="source">{path}</span> <span class="quiet">{reason}</span>
              </li>
            ))}
            {left_out_total > left_out.length && <li>and {integer(left_out_total - left_out.length)} more</li>}
            {other_files > 0 && (
              <li>
                <span class="quiet">Types that are not read: </span>
                {Object.entries(other_endings)
                  .slice(0, 8)
                  .map(([ending, of]) => `${integer(of)} ${ending || 'without an ending'}`)
                  .join(', ')}
              </li>
            )}
            {notes.map(({ path, reason }) => (
              <li key={`${path} ${reason}`}>
                <span class="source">{path}</span> <span class="quiet">{reason}</span>
              </li>
            ))}
          </ul>
        </details>
      )}
    </li>
  );
}

function leftOutText({ left_out_total, other_files, notes }: DocumentsState['folders'][number]): string {
  const parts = [
    ...(left_out_total + other_files > 0 ? [`${counted(left_out_total + other_files, 'file')} left out`] : []),
    ...(notes.length > 0 ? [counted(notes.length, 'note')] : []),
  ];
  return parts.join(', ');
}
