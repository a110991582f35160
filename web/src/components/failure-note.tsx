/** A failure, in words, with what can be done about it. */
import { useEffect, useState } from 'preact/hooks';
import { type Failure, failureTitles } from '../api/failure.ts';

interface Props {
  readonly failure: Failure;
  readonly onRetry?: (() => void) | undefined;
  readonly retryLabel?: string;
}

export function FailureNote({ failure, onRetry, retryLabel = 'Try again' }: Props) {
  const wait = useCountdown(failure);
  return (
    <div class={`failure failure-${failure.kind}`} role="alert">
      <strong>{failureTitles[failure.kind]}</strong>
      <p>{failure.message}</p>
      {failure.kind === 'overflow' && <p>Remove passages, or choose a shorter answer.</p>}
      {onRetry && (
        <button type="button" class="button" disabled={wait > 0} onClick={onRetry}>
          {wait > 0 ? `${retryLabel} in ${wait} s` : retryLabel}
        </button>
      )}
    </div>
  );
}

/** Seconds until the server wants to hear of us again. */
function useCountdown(failure: Failure): number {
  const [left, setLeft] = useState(0);
  useEffect(() => {
    setLeft(Math.ceil(failure.retryAfter ?? 0));
    const timer = setInterval(() => setLeft((seconds) => Math.max(0, seconds - 1)), 1000);
    return () => clearInterval(timer);
  }, [failure]);
  return left;
}
