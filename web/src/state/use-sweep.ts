/** Measures both modes over growing prompts, one request at a time. */
import { useCallback, useRef, useState } from 'preact/hooks';
import type { Client } from '../api/client.ts';
import { asFailure, type Failure } from '../api/failure.ts';
import type { Document, Mode } from '../api/types.ts';
import { idleLane, reduceLane } from './lane.ts';
import { type Measurement, measurementOf, sweepCounts } from './measurements.ts';
import { runRace } from './run-race.ts';
import { chatBody, policyOf, type Settings } from './settings.ts';

export interface SweepRequest {
  readonly client: Client;
  readonly model: string;
  readonly settings: Settings;
  readonly documents: readonly Document[];
  readonly question: string;
}

export interface Sweep {
  /** Undefined while none runs. */
  readonly progress: { readonly done: number; readonly total: number } | undefined;
  readonly failure: Failure | undefined;
  readonly start: (request: SweepRequest) => Promise<void>;
  readonly stop: () => void;
}

export function useSweep(onMeasured: (measurement: Measurement) => void): Sweep {
  const [progress, setProgress] = useState<Sweep['progress']>();
  const [failure, setFailure] = useState<Failure>();
  const current = useRef<AbortController | undefined>(undefined);

  const start = useCallback(
    async (request: SweepRequest) => {
      const { client, documents } = request;
      const control = new AbortController();
      current.current = control;
      const counts = sweepCounts(documents.length);
      const total = counts.length * 2;
      let done = 0;
      setFailure(undefined);
      setProgress({ done, total });
      try {
        await client.encode({ documents, policy: policyOf(request.settings) }, () => undefined, control.signal);
        for (const count of counts) {
          for (const mode of ['block', 'full'] as const) {
            onMeasured(await measure(request, mode, count, control.signal));
            done += 1;
            setProgress({ done, total });
          }
        }
      } catch (error) {
        setFailure(asFailure(error));
      } finally {
        setProgress(undefined);
      }
    },
    [onMeasured],
  );
  const stop = useCallback(() => current.current?.abort(), []);
  return { progress, failure, start, stop };
}

async function measure(request: SweepRequest, mode: Mode, count: number, signal: AbortSignal): Promise<Measurement> {
  const { client, model, question } = request;
  const documents = request.documents.slice(0, count);
  const settings = { ...request.settings, maxTokens: 1 };
  const body = chatBody({ model, mode, settings, documents, question });
  let lane = idleLane(mode);
  await runRace(
    { client, bodies: [{ mode, body }], encode: [], together: false },
    { lane: (_, event) => (lane = reduceLane(lane, event)), encoding: () => undefined },
    signal,
  );
  if (lane.failure) throw lane.failure;
  const measured = measurementOf(lane, undefined);
  if (measured === undefined) throw new DOMException('stopped', 'AbortError');
  return measured;
}
