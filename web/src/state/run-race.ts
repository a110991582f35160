/** The race itself: encode, then one or two requests, told as events. Knows no component. */
import type { Client } from '../api/client.ts';
import { asFailure } from '../api/failure.ts';
import type { ChatBody, Document, Mode } from '../api/types.ts';
import type { LaneEvent } from './lane.ts';

export interface Encoding {
  readonly state: 'idle' | 'running' | 'done';
  readonly done: number;
  readonly total: number;
  readonly ms: number;
}

export const noEncoding: Encoding = { state: 'idle', done: 0, total: 0, ms: 0 };

export interface RaceRequest {
  readonly client: Client;
  readonly bodies: readonly { readonly mode: Mode; readonly body: ChatBody }[];
  /** Encoded before the lanes start; empty for nothing. */
  readonly encode: readonly Document[];
  readonly together: boolean;
}

export interface RaceSink {
  lane(mode: Mode, event: LaneEvent): void;
  encoding(encoding: Encoding): void;
}

/** Resolves when every lane has ended, failed or been stopped. @throws Failure when encoding fails */
export async function runRace(request: RaceRequest, sink: RaceSink, signal: AbortSignal): Promise<void> {
  const { client, bodies, encode, together } = request;
  for (const { mode } of bodies) sink.lane(mode, { type: 'wait' });
  const policy = bodies.find(({ mode }) => mode === 'block')?.body.block_attention.policy;
  if (encode.length > 0) await encodeAll(client, { documents: encode, policy }, sink, signal);
  const runs = bodies.map(
    ({ mode, body }) =>
      () =>
        runLane(client, mode, body, sink, signal),
  );
  if (together) await Promise.all(runs.map((run) => run()));
  else for (const run of runs) await run();
}

async function encodeAll(
  client: Client,
  encoded: { readonly documents: readonly Document[]; readonly policy?: string | undefined },
  sink: RaceSink,
  signal: AbortSignal,
): Promise<void> {
  const started = performance.now();
  const tell = (state: Encoding['state'], done: number, total: number) =>
    sink.encoding({ state, done, total, ms: performance.now() - started });
  const { length } = encoded.documents;
  tell('running', 0, length);
  await client.encode(encoded, (done, total) => tell('running', done, total), signal);
  tell('done', length, length);
}

async function runLane(client: Client, mode: Mode, body: ChatBody, sink: RaceSink, signal: AbortSignal): Promise<void> {
  if (signal.aborted) return;
  sink.lane(mode, { type: 'start', at: performance.now() });
  try {
    for await (const chunk of client.chat(body, signal)) {
      sink.lane(mode, { type: 'chunk', chunk, at: performance.now() });
    }
    sink.lane(mode, { type: 'end', at: performance.now() });
  } catch (error) {
    const failure = signal.aborted ? undefined : asFailure(error);
    sink.lane(mode, failure ? { type: 'fail', failure } : { type: 'stop' });
  }
}
