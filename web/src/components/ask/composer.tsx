/** Where the question is written. Enter asks, Shift and Enter begin a line. */
import { Arrow, Stop } from '../icons.tsx';

interface Props {
  readonly question: string;
  readonly running: boolean;
  readonly onQuestion: (question: string) => void;
  readonly onAsk: () => void;
  readonly onStop: () => void;
}

export function Composer({ question, running, onQuestion, onAsk, onStop }: Props) {
  const askable = question.trim() !== '' && !running;
  return (
    <form
      class="composer"
      onSubmit={(event) => {
        event.preventDefault();
        if (askable) onAsk();
      }}
    >
      <label class="off-screen" for="composer-question">
        Your question
      </label>
      <textarea
        id="composer-question"
        rows={Math.min(6, Math.max(1, question.split('\n').length))}
        placeholder="Ask a question"
        value={question}
        onInput={(event) => onQuestion(event.currentTarget.value)}
        onKeyDown={(event) => {
          if (event.key !== 'Enter' || event.shiftKey || event.isComposing) return;
          event.preventDefault();
          if (askable) onAsk();
        }}
      />
      {/* Two elements, by their keys: see ask.tsx. */}
      {running ? (
        <button
          key="stop"
          type="button"
          class="button round"
          onClick={onStop}
          aria-label="Stop the answer"
          title="Stop the answer"
        >
          <Stop />
        </button>
      ) : (
        <button
          key="ask"
          type="submit"
          class="button button-strong round"
          disabled={!askable}
          aria-label="Ask"
          title="Ask"
        >
          <Arrow />
        </button>
      )}
    </form>
  );
}
