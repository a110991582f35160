/** One side of the race, from its start to its account. Pure: times are handed in, in ms of the page's clock. */
import type { Failure } from '../api/failure.ts';
import type { Account, Chunk, Mode } from '../api/types.ts';

export interface Lane {
  readonly mode: Mode;
  readonly state: 'idle' | 'waiting' | 'running' | 'streaming' | 'done' | 'failed' | 'stopped';
  /** When the request was sent. */
  readonly startedAt: number | undefined;
  /** From sending to the first piece of the answer, on the page's clock. */
  readonly firstTokenMs: number | undefined;
  readonly totalMs: number | undefined;
  readonly text: string;
  readonly finish: string | undefined;
  readonly account: Account | undefined;
  readonly failure: Failure | undefined;
}

export function idleLane(mode: Mode): Lane {
  return {
    mode,
    state: 'idle',
    startedAt: undefined,
    firstTokenMs: undefined,
    totalMs: undefined,
    text: '',
    finish: undefined,
    account: undefined,
    failure: undefined,
  };
}

export type LaneEvent =
  | { readonly type: 'wait' }
  | { readonly type: 'start'; readonly at: number }
  | { readonly type: 'chunk'; readonly chunk: Chunk; readonly at: number }
  | { readonly type: 'end'; readonly at: number }
  | { readonly type: 'fail'; readonly failure: Failure }
  | { readonly type: 'stop' };

export function reduceLane(lane: Lane, event: LaneEvent): Lane {
  switch (event.type) {
    case 'wait':
      return { ...idleLane(lane.mode), state: 'waiting' };
    case 'start':
      return { ...idleLane(lane.mode), state: 'running', startedAt: event.at };
    case 'chunk':
      return withChunk(lane, event.chunk, event.at);
    case 'end':
      return { ...lane, state: 'done', totalMs: lane.totalMs ?? sinceStart(lane, event.at) };
    case 'fail':
      return { ...lane, state: 'failed', failure: event.failure };
    case 'stop':
      return lane.state === 'done' || lane.state === 'failed' || lane.state === 'idle'
        ? lane
        : { ...lane, state: 'stopped' };
  }
}

/** An answer that begins with its end has no piece: its finish counts as the first token. */
function withChunk(lane: Lane, chunk: Chunk, at: number): Lane {
  const [choice] = chunk.choices;
  const piece = choice?.delta?.content ?? '';
  const finish = choice?.finish_reason ?? undefined;
  const begins = lane.firstTokenMs === undefined && (piece !== '' || finish !== undefined);
  return {
    ...lane,
    ...(begins && { state: 'streaming' as const, firstTokenMs: sinceStart(lane, at) }),
    text: lane.text + piece,
    finish: finish ?? lane.finish,
    ...(finish !== undefined && { totalMs: sinceStart(lane, at) }),
    account: chunk.block_attention ?? lane.account,
  };
}

function sinceStart({ startedAt }: Lane, at: number): number {
  return at - (startedAt ?? at);
}
