/** What can be done with the list as a whole. */

import { useRef } from 'preact/hooks';
import { FileInput } from '../documents/file-input.tsx';
import { Plus, Upload } from '../icons.tsx';

interface Props {
  readonly disabled: boolean;
  readonly empty: boolean;
  readonly onAdd: () => void;
  readonly onFiles: (files: Iterable<File>) => void;
  readonly onClear: () => void;
  readonly onForget: () => void;
}

export function PassagesTools({ disabled, empty, onAdd, onFiles, onClear, onForget }: Props) {
  const input = useRef<HTMLInputElement>(null);
  return (
    <div class="tools">
      <button type="button" class="button" disabled={disabled} onClick={onAdd}>
        <Plus />
        Add
      </button>
      <button type="button" class="button" disabled={disabled} onClick={() => input.current?.click()}>
        <Upload />
        Files
      </button>
      <FileInput input={input} label="Files to add as passages" onFiles={onFiles} />
      <button
        type="button"
        class="button"
        disabled={disabled || empty}
        onClick={onForget}
        title="Remove their states from the server's store"
      >
        Forget states
      </button>
      <button type="button" class="button" disabled={disabled || empty} onClick={onClear}>
        Clear
      </button>
    </div>
  );
}
