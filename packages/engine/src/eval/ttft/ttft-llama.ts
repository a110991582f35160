/**
 * llama.cpp's time to the first token for one prompt length: prefill and the likeliest token, with flash attention on
 * and off. The faster way is the yardstick; the other is measured once, to know that it is slower.
 */
import { BlockAttentionError } from '../../errors.ts';
import { openReference, type Reference } from '../../ggml/index.ts';
import { median } from '../../scoring/median.ts';

export interface LlamaCppOptions {
  readonly modelPath: string;
  /** Longest prompt. */
  readonly tokens: number;
  readonly threads: number;
  /** Ways to try, by whether they use flash attention. At least one. */
  readonly flashAttention: readonly boolean[];
  readonly adapter?: string | undefined;
  readonly adapterScale?: number | undefined;
}

export interface LlamaCppResult {
  /** Median of the faster way. */
  readonly ms: number;
  readonly flashAttention: boolean;
  readonly runs: number;
}

/** Tokens between looks at the signal: long enough not to count in the time. */
const chunkTokens = 2048;

export class LlamaCppYardstick implements AsyncDisposable {
  #ways: { readonly flashAttention: boolean; readonly reference: Reference; readonly times: number[] }[] = [];

  static async open(options: LlamaCppOptions): Promise<LlamaCppYardstick> {
    const { modelPath, tokens, threads, flashAttention, adapter, adapterScale } = options;
    const yardstick = new LlamaCppYardstick();
    try {
      for (const flash of flashAttention) {
        const reference = await openReference(modelPath, {
          contextTokens: Math.ceil((tokens + 1) / 256) * 256,
          threads,
          flashAttention: flash,
          adapter,
          adapterScale,
        });
        yardstick.#ways.push({ flashAttention: flash, reference, times: [] });
      }
      return yardstick;
    } catch (error) {
      await yardstick[Symbol.asyncDispose]();
      throw error;
    }
  }

  /** Measures each way once. @throws ABORTED */
  async measure(tokens: Int32Array, signal?: AbortSignal): Promise<void> {
    for (const { reference, times } of this.#ways) {
      if (times.length === 0) {
        // Graphs are planned and memory is touched by a short prompt already.
        await reference.decode(tokens.subarray(0, Math.min(tokens.length, 32)), { logits: 'last' });
      }
      await reference.clear();
      const started = performance.now();
      let row: Float32Array | undefined;
      for (let first = 0; first < tokens.length; first += chunkTokens) {
        if (signal?.aborted)
          throw new BlockAttentionError('ABORTED', 'the measurement was cancelled', { cause: signal.reason });
        [row] = await reference.decode(tokens.subarray(first, first + chunkTokens), { logits: 'last' });
      }
      likeliest(row);
      times.push(performance.now() - started);
    }
    const [best, ...slower] = this.#byTime();
    this.#ways = best === undefined ? [] : [best];
    for (const { reference } of slower) await reference[Symbol.asyncDispose]();
  }

  /** Of what was measured so far; undefined before. */
  get result(): LlamaCppResult | undefined {
    const [best] = this.#byTime();
    const ms = median(best?.times ?? []);
    if (best === undefined || ms === undefined) return undefined;
    return { ms, flashAttention: best.flashAttention, runs: best.times.length };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const { reference } of this.#ways.splice(0)) await reference[Symbol.asyncDispose]();
  }

  #byTime() {
    return [...this.#ways].sort((a, b) => (median(a.times) ?? Infinity) - (median(b.times) ?? Infinity));
  }
}

function likeliest(logits: Float32Array | undefined): number {
  let best = 0;
  logits?.forEach((value, i) => {
    if (value > (logits[best] ?? -Infinity)) best = i;
  });
  return best;
}
