/** The server behind the page: its model, and the key it may ask for. */
import { useCallback, useEffect, useMemo, useState } from 'preact/hooks';
import { Client } from '../api/client.ts';
import { asFailure, type Failure } from '../api/failure.ts';
import type { ModelInfo } from '../api/types.ts';

const storageKey = 'block-attention-key';

export interface ServerState {
  readonly client: Client;
  readonly model: ModelInfo | undefined;
  readonly failure: Failure | undefined;
  readonly key: string;
  /** @param keep in this tab's session storage; else in memory only */
  readonly signIn: (key: string, keep: boolean) => void;
  readonly retry: () => void;
}

export function useServer(): ServerState {
  const [key, setKey] = useState(() => sessionStorage.getItem(storageKey) ?? '');
  const [model, setModel] = useState<ModelInfo>();
  const [failure, setFailure] = useState<Failure>();
  const [attempt, setAttempt] = useState(0);
  const client = useMemo(() => new Client(key), [key]);
  useEffect(() => {
    const control = new AbortController();
    client.model(control.signal).then(
      (found) => {
        setModel(found);
        setFailure(undefined);
      },
      (error: unknown) => {
        if (!control.signal.aborted) setFailure(asFailure(error));
      },
    );
    return () => control.abort();
  }, [client, attempt]);

  const signIn = useCallback((next: string, keep: boolean) => {
    if (keep && next !== '') sessionStorage.setItem(storageKey, next);
    else sessionStorage.removeItem(storageKey);
    setKey(next);
    setAttempt((count) => count + 1);
  }, []);
  const retry = useCallback(() => setAttempt((count) => count + 1), []);
  return { client, model, failure, key, signIn, retry };
}
