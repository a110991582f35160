/**
 * Runs steps with the number of threads that is fastest at the moment: times them, asks the governor, tells the backend.
 *
 * Does nothing but run them where the number is given, or there is one thread, or the device is not a CPU.
 */
import { CpuMeter } from '../../ggml/device/cpu-meter.ts';
import { recomputeFlops } from '../../model/architecture/flops.ts';
import type { SlotShape } from '../../model/architecture/layer-attention.ts';
import type { Sequence } from '../../model/kv/sequence.ts';
import type { Model } from '../../model/model.ts';
import { ThreadGovernor } from './thread-governor.ts';

/** Told once, when fewer threads than there could be turned out to be faster. */
export interface ThreadNotice {
  readonly threads: number;
  readonly of: number;
  readonly message: string;
}

/** What one step runs: sequences, and how many tokens of each. */
export interface StepWork {
  readonly kind: 'decode' | 'prompt';
  readonly parts: readonly { readonly sequence: Sequence; readonly tokens: number }[];
}

export class Pace {
  readonly #model: Model;
  readonly #governor: ThreadGovernor | undefined;
  readonly #meter: CpuMeter | undefined;
  readonly #onThreads: ((notice: ThreadNotice) => void) | undefined;
  #told = false;

  constructor(model: Model, onThreads?: (notice: ThreadNotice) => void) {
    this.#model = model;
    this.#onThreads = onThreads;
    const { adaptive, threads } = model.backend;
    if (!adaptive || threads === 1) return;
    this.#governor = new ThreadGovernor({ threads });
    this.#meter = new CpuMeter();
  }

  /** Runs one step. Steps do not overlap. */
  async run<T>(work: StepWork, step: () => Promise<T>): Promise<T> {
    const governor = this.#governor;
    if (governor === undefined) return step();
    const { backend } = this.#model;
    const threads = governor.next(work.kind);
    // Before it: the sequences grow.
    const expected = this.#expected(work);
    backend.useThreads(threads);
    const started = performance.now();
    const result = await step();
    const ended = performance.now();
    governor.observe(this.#meter?.freeCores(ended));
    governor.record({ kind: work.kind, size: sizeOf(work), threads, cost: (ended - started) / expected });
    this.#tell(governor, work.kind);
    return result;
  }

  /** What a step should take, in units of its kind: bytes that decoding reads, operations of a prompt. */
  #expected({ kind, parts }: StepWork): number {
    const { hyperParameters: hp, file } = this.#model;
    const stored = ({ headDim, valueDim, valuesInKeys }: SlotShape) => headDim + (valuesInKeys ? 0 : valueDim);
    const perKey = hp.attention.reduce((sum, layer) => sum + 2 * layer.kvHeads * stored(layer), 0);
    if (kind === 'decode') return parts.reduce((sum, { sequence }) => sum + perKey * keysOf(sequence), file.bytes);
    return parts.reduce((sum, { sequence, tokens }) => sum + recomputeFlops(hp, keysOf(sequence), tokens).total, 0);
  }

  #tell(governor: ThreadGovernor, kind: string): void {
    const threads = governor.settled(kind);
    const of = this.#model.backend.threads;
    if (this.#told || threads === of) return;
    this.#told = true;
    const message = `computing with ${threads} of ${of} threads: others use the cores; more are tried again later`;
    this.#onThreads?.({ threads, of, message });
  }
}

function keysOf(sequence: Sequence): number {
  return Math.max(0, sequence.position);
}

/** Steps whose times compare: with as many rows, or about as many where there are many. */
function sizeOf({ kind, parts }: StepWork): string {
  if (kind === 'decode') return String(parts.length);
  return String(Math.ceil(Math.log2(parts.reduce((sum, { tokens }) => sum + tokens, 1))));
}
