/** One side of the race: its timer, its answer, what it cost. */
import type { Plan } from '../../api/types.ts';
import { counted, integer, milliseconds, percent } from '../../lib/format.ts';
import type { DifferencePiece } from '../../lib/word-differences.ts';
import type { Lane } from '../../state/lane.ts';
import { FailureNote } from '../failure-note.tsx';

interface Props {
  readonly lane: Lane;
  readonly now: number;
  readonly plan: Plan | undefined;
  /** Whether the model was measured in block mode; undefined where the server does not say. */
  readonly verified: boolean | undefined;
  /** The answer, with what the other lane does not say marked; undefined while there is nothing to compare. */
  readonly compared: readonly DifferencePiece[] | undefined;
  readonly onRetry: () => void;
}

const names = { block: 'Block attention', full: 'Full attention' } as const;

export function LaneView({ lane, now, plan, verified, compared, onRetry }: Props) {
  const { mode, state, text, account, failure } = lane;
  const title = `lane-${mode}`;
  return (
    <section class={`lane lane-${mode} lane-is-${state}`} aria-labelledby={title}>
      <h2 id={title}>
        <span class={`swatch swatch-${mode}`} aria-hidden="true" />
        {names[mode]}
      </h2>
      <p class="timer">
        <output aria-live="off">{timeText(lane, now)}</output>
        <span class="timer-label">{timerLabel(lane)}</span>
      </p>
      {failure ? (
        <FailureNote failure={failure} onRetry={failure.kind === 'overflow' ? undefined : onRetry} />
      ) : (
        <p class={`answer ${text === '' ? 'answer-empty' : ''}`}>
          {text === '' ? placeholder(lane, plan) : (compared?.map(differing) ?? text)}
          {state === 'streaming' && <span class="caret" aria-hidden="true" />}
        </p>
      )}
      {lane.finish === 'length' && <p class="quiet small">Cut off at the maximum length of an answer.</p>}
      {account && (
        <dl class="facts">
          <Fact name="Server’s first token" value={milliseconds(account.ttft_ms)} />
          <Fact
            name="Prompt"
            value={account.tokens ? `${integer(account.tokens.context + account.tokens.question)} tokens` : '–'}
          />
          <Fact name="Computed" value={`${percent(account.flops.spent / account.flops.full)} of full`} />
          <Fact
            name="Then"
            value={account.timings ? `${account.timings.decode_tokens_per_second.toFixed(1)} tokens/s` : '–'}
          />
        </dl>
      )}
      {account?.policy !== undefined && account.policy !== null && account.policy !== 'plain' && (
        <p class="quiet small">Policy: {account.policy}</p>
      )}
      {mode === 'block' && verified === false && account && (
        <p class="quiet small">
          Nobody has verified this model for block mode: its answers may be worse than full attention’s.{' '}
          <code>block-attention verify</code> measures it.
        </p>
      )}
      {account?.reason && <p class="quiet small">{account.reason}</p>}
    </section>
  );
}

function differing({ text, differs }: DifferencePiece, at: number) {
  return differs ? (
    <ins key={at} class="difference">
      {text}
    </ins>
  ) : (
    text
  );
}

function Fact({ name, value }: { name: string; value: string }) {
  return (
    <div>
      <dt>{name}</dt>
      <dd>{value}</dd>
    </div>
  );
}

function timeText({ startedAt, firstTokenMs, state }: Lane, now: number): string {
  if (firstTokenMs !== undefined) return seconds(firstTokenMs);
  if (state === 'running' && startedAt !== undefined) return seconds(Math.max(0, now - startedAt));
  return '–';
}

const seconds = (ms: number) => `${(ms / 1000).toFixed(2)} s`;

function timerLabel({ state, firstTokenMs }: Lane): string {
  if (firstTokenMs !== undefined) return 'to the first token';
  if (state === 'running') return 'reading …';
  if (state === 'stopped') return 'stopped before the first token';
  return 'to the first token';
}

function placeholder({ mode, state }: Lane, plan: Plan | undefined): string {
  if (state === 'running')
    return mode === 'block' ? 'Reading the question; the passages are known.' : 'Reading everything from the start.';
  if (state === 'waiting') return 'Waits for its turn.';
  if (state === 'done') return 'The model gave no answer.';
  if (plan === undefined) return '';
  return mode === 'block'
    ? `Looks up the states of ${counted(plan.blocks.length - 1, 'block')}, and reads the ${counted(plan.question_tokens, 'token')} of the question.`
    : `Reads all ${integer(plan.context_tokens + plan.question_tokens)} tokens again, for every question.`;
}
