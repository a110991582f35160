/** The race as state of the page. */
import { useCallback, useReducer, useRef, useState } from 'preact/hooks';
import { asFailure, type Failure } from '../api/failure.ts';
import type { Mode } from '../api/types.ts';
import { idleLane, type Lane, type LaneEvent, reduceLane } from './lane.ts';
import { type Encoding, noEncoding, type RaceRequest, runRace } from './run-race.ts';

export interface Lanes {
  readonly block: Lane;
  readonly full: Lane;
}

export interface Race {
  readonly lanes: Lanes;
  readonly encoding: Encoding;
  readonly running: boolean;
  /** Why it did not come to a race. */
  readonly failure: Failure | undefined;
  /** Resolves to the lanes as they ended. */
  readonly start: (request: RaceRequest) => Promise<Lanes>;
  readonly stop: () => void;
  readonly reset: () => void;
}

const idle: Lanes = { block: idleLane('block'), full: idleLane('full') };

type Action = { readonly mode: Mode; readonly event: LaneEvent } | 'reset' | 'stop';

function reduce(lanes: Lanes, action: Action): Lanes {
  if (action === 'reset') return idle;
  if (action === 'stop') {
    const event = { type: 'stop' } as const;
    return { block: reduceLane(lanes.block, event), full: reduceLane(lanes.full, event) };
  }
  return { ...lanes, [action.mode]: reduceLane(lanes[action.mode], action.event) };
}

export function useRace(): Race {
  const [lanes, dispatch] = useReducer(reduce, idle);
  const [encoding, setEncoding] = useState(noEncoding);
  const [running, setRunning] = useState(false);
  const [failure, setFailure] = useState<Failure>();
  const current = useRef<AbortController | undefined>(undefined);

  const start = useCallback(async (request: RaceRequest): Promise<Lanes> => {
    current.current?.abort();
    const control = new AbortController();
    current.current = control;
    // Kept beside the page's state, which is only seen at the next rendering.
    let now = idle;
    const send = (action: Action) => {
      if (current.current !== control) return;
      now = reduce(now, action);
      dispatch(action);
    };
    send('reset');
    setEncoding(noEncoding);
    setFailure(undefined);
    setRunning(true);
    try {
      await runRace(request, { lane: (mode, event) => send({ mode, event }), encoding: setEncoding }, control.signal);
    } catch (error) {
      send('reset');
      setEncoding(noEncoding);
      setFailure(asFailure(error));
    } finally {
      if (current.current === control) setRunning(false);
    }
    return now;
  }, []);

  const stop = useCallback(() => {
    current.current?.abort();
    dispatch('stop');
  }, []);

  const reset = useCallback(() => {
    current.current?.abort();
    current.current = undefined;
    dispatch('reset');
    setEncoding(noEncoding);
    setFailure(undefined);
    setRunning(false);
  }, []);

  return { lanes, encoding, running, failure, start, stop, reset };
}
