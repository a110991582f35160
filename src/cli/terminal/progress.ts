/**
 * One line at the bottom of a terminal that says what takes so long. Writes nothing at all elsewhere, and nothing for
 * work that is quick.
 *
 * Invariant: after clear() the terminal shows no trace of it; every other output clears it first.
 */
import { formatDuration } from './format.ts';
import { type CliIo, printable, type TextSink } from './io.ts';

export interface ProgressState {
  /** What is being done, e.g. `encoding`. */
  readonly label: string;
  /** Defaults to none: then the time passed is shown. */
  readonly done?: number | undefined;
  readonly total?: number | undefined;
  /** Further words, e.g. `12 of 94 MiB`. */
  readonly detail?: string | undefined;
}

const quietMs = 500;
const redrawMs = 100;
const barWidth = 24;

export class Progress {
  readonly #sink: TextSink;
  readonly #enabled: boolean;
  #state: ProgressState | undefined;
  #startedAt = 0;
  #timer: NodeJS.Timeout | undefined;
  #drawn = false;

  constructor(sink: TextSink, env: CliIo['env']) {
    this.#sink = sink;
    this.#enabled = sink.isTTY === true && env.TERM !== 'dumb';
  }

  /** What is going on now. A new label starts the time again. */
  show(state: ProgressState): void {
    if (!this.#enabled) return;
    if (this.#state?.label !== state.label) this.#startedAt = performance.now();
    this.#state = state;
    this.#timer ??= setInterval(() => this.#draw(), redrawMs).unref();
  }

  /** Ends it. */
  clear(): void {
    clearInterval(this.#timer);
    this.#timer = undefined;
    this.#state = undefined;
    if (!this.#drawn) return;
    this.#drawn = false;
    this.#sink.write('\r\u001b[K');
  }

  #draw(): void {
    const state = this.#state;
    const elapsedMs = performance.now() - this.#startedAt;
    if (state === undefined || elapsedMs < quietMs) return;
    this.#drawn = true;
    const width = Math.max(20, (this.#sink.columns ?? 80) - 1);
    this.#sink.write(`\r\u001b[K${progressLine(state, elapsedMs).slice(0, width)}`);
  }
}

/** The line of a state, uncoloured and on one line whatever its parts hold. */
export function progressLine({ label, done, total, detail }: ProgressState, elapsedMs: number): string {
  const parts = [label];
  if (done !== undefined && total !== undefined && total > 0) {
    const share = Math.min(1, Math.max(0, done / total));
    const filled = Math.round(share * barWidth);
    parts.push(`[${'#'.repeat(filled)}${'-'.repeat(barWidth - filled)}] ${Math.floor(share * 100)}%`);
  }
  if (detail !== undefined) parts.push(detail);
  parts.push(formatDuration(elapsedMs));
  return printable(parts.join('  ').replace(/[\n\r\t]+/g, ' '));
}
