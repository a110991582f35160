/** The question, and the button that starts it all. */
import { Play, Stop } from '../icons.tsx';

interface Props {
  readonly question: string;
  readonly running: boolean;
  /** Why it cannot start; undefined when it can. */
  readonly obstacle: string | undefined;
  readonly label: string;
  readonly onQuestion: (question: string) => void;
  readonly onStart: () => void;
  readonly onStop: () => void;
}

export function Ask({ question, running, obstacle, label, onQuestion, onStart, onStop }: Props) {
  return (
    <form
      class="ask"
      onSubmit={(event) => {
        event.preventDefault();
        if (obstacle === undefined && !running) onStart();
      }}
    >
      <label class="field question">
        <span>Question</span>
        <textarea
          rows={2}
          value={question}
          onInput={(event) => onQuestion(event.currentTarget.value)}
          onKeyDown={(event) => {
            if (event.key !== 'Enter' || event.shiftKey || event.isComposing) return;
            event.preventDefault();
            if (obstacle === undefined && !running) onStart();
          }}
        />
      </label>
      {/* Keys make them two elements: one that became the other while it is clicked would submit the form. */}
      {running ? (
        <button key="stop" type="button" class="button button-run" onClick={onStop}>
          <Stop />
          Stop
        </button>
      ) : (
        <button key="start" type="submit" class="button button-run button-strong" disabled={obstacle !== undefined}>
          <Play />
          {label}
        </button>
      )}
      {obstacle !== undefined && !running && <p class="quiet small obstacle">{obstacle}</p>}
    </form>
  );
}
