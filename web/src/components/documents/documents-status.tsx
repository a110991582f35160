/** How far reading and encoding are: one line, and a bar that moves. */
import type { DocumentsState } from '../../api/types.ts';
import { counted, integer } from '../../lib/format.ts';

export function statusText({ phase, done, total, files, passages, path, encoding }: DocumentsState): string {
  const held = `${counted(files, 'file')}, ${counted(passages, 'passage')}`;
  switch (phase) {
    case 'waiting':
      return `${held}. Waiting for another program that writes to the index.`;
    case 'reading':
      return total === 0
        ? 'Looking through the folders …'
        : `Reading file ${integer(Math.min(done + 1, total))} of ${integer(total)}${path === null ? '' : `: ${path}`}`;
    case 'indexing':
      return `${held}. Updating the index …`;
    case 'encoding':
      return `${held}. Preparing for fast answers: ${integer(done)} of ${integer(total)} passages`;
    case 'ready':
      if (passages === 0) return 'No documents yet.';
      if (encoding.error !== null) return `${held}. Preparing them failed: ${encoding.error}`;
      return `${held}${encoding.wanted && encoding.done >= encoding.total ? ', all prepared for fast answers' : ''}.`;
  }
}

/** @param worded whether the line is said here; else it is said nearby */
export function DocumentsStatus({ state, worded }: { readonly state: DocumentsState; readonly worded: boolean }) {
  const { phase, done, total } = state;
  const moving = phase === 'reading' || phase === 'encoding';
  return (
    <div class="status">
      {worded && <p>{statusText(state)}</p>}
      {moving && total > 0 && (
        <progress max={total} value={done} aria-label={phase === 'reading' ? 'Files read' : 'Passages prepared'} />
      )}
    </div>
  );
}
