/** How the server would cut the current prompt into blocks. Asked again, a little later, whenever the prompt changes. */
import { useEffect, useState } from 'preact/hooks';
import type { Client } from '../api/client.ts';
import { asFailure, type Failure } from '../api/failure.ts';
import type { ChatBody, Plan } from '../api/types.ts';

const settleMs = 350;

export interface PlanState {
  /** The last one that succeeded. */
  readonly plan: Plan | undefined;
  readonly failure: Failure | undefined;
}

/** @param version changes when the server's store may have changed
 *  @param body undefined while there is nothing to ask */
export function usePlan(client: Client, body: ChatBody | undefined, version: number): PlanState {
  const [state, setState] = useState<PlanState>({ plan: undefined, failure: undefined });
  const text = body && JSON.stringify(body);
  useEffect(() => {
    if (body === undefined) {
      setState({ plan: undefined, failure: undefined });
      return;
    }
    const control = new AbortController();
    const ask = async () => {
      try {
        setState({ plan: await client.plan(body, control.signal), failure: undefined });
      } catch (error) {
        if (control.signal.aborted) return;
        const failure = asFailure(error);
        // What concerns the whole server is told elsewhere.
        if (failure?.kind === 'overflow' || failure?.kind === 'other') setState({ plan: undefined, failure });
      }
    };
    const timer = setTimeout(() => void ask(), settleMs);
    return () => {
      clearTimeout(timer);
      control.abort();
    };
  }, [client, text, version]);
  return state;
}
