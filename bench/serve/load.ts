/** Clients that ask one question after the other, and what they wait for. */
import { readFileSync } from 'node:fs';
import type { Target } from './targets.ts';
import type { TraceRequest } from './trace.ts';

export interface Sample {
  /** From sending to the first piece of text, in ms. */
  readonly ttftMs: number;
  readonly totalMs: number;
  readonly promptTokens: number;
  readonly cachedTokens: number;
  readonly answerTokens: number;
  /** False for a request that was given up: its times are what it had waited by then. */
  readonly answered: boolean;
}

export interface LoadResult {
  readonly samples: readonly Sample[];
  readonly errors: readonly string[];
  readonly seconds: number;
}

export interface LoadOptions {
  readonly clients: number;
  readonly answerTokens: number;
  /** Ends the run after this time: requests under way are finished. Defaults to when the trace ends. */
  readonly seconds?: number | undefined;
  /** Gives up everything that is under way after this time. Defaults to never. */
  readonly limitSeconds?: number | undefined;
  readonly onSample?: ((sample: Sample, secondsIn: number) => void) | undefined;
}

/** A closed loop: every client takes the next request of the trace when its last is answered. */
export async function runLoad(
  target: Target,
  trace: readonly TraceRequest[],
  options: LoadOptions,
): Promise<LoadResult> {
  const { clients, answerTokens, seconds = Number.POSITIVE_INFINITY, limitSeconds, onSample } = options;
  const limit = limitSeconds === undefined ? undefined : AbortSignal.timeout(limitSeconds * 1000);
  const samples: Sample[] = [];
  const errors: string[] = [];
  const started = performance.now();
  const elapsed = () => (performance.now() - started) / 1000;
  let next = 0;
  const client = async () => {
    for (;;) {
      const index = next++;
      // A timed run goes through the trace again and again; one without time, once.
      const request = trace[Number.isFinite(seconds) ? index % trace.length : index];
      if (request === undefined || elapsed() >= seconds || limit?.aborted === true) return;
      try {
        const sample = await ask(target, target.body(request, answerTokens), limit);
        samples.push(sample);
        onSample?.(sample, elapsed());
      } catch (error) {
        errors.push(error instanceof Error ? error.message : String(error));
      }
    }
  };
  await Promise.all(Array.from({ length: clients }, client));
  return { samples, errors, seconds: elapsed() };
}

async function ask({ url }: Target, body: object, limit: AbortSignal | undefined): Promise<Sample> {
  const started = performance.now();
  let ttftMs = Number.NaN;
  let usage = { prompt_tokens: 0, completion_tokens: 0, prompt_tokens_details: { cached_tokens: 0 } };
  let answered = false;
  const read = (event: string) => {
    if (!event.startsWith('data: {')) return;
    const chunk = JSON.parse(event.slice(6));
    if (chunk.error) throw new Error(JSON.stringify(chunk.error));
    if (Number.isNaN(ttftMs) && chunk.choices?.[0]?.delta?.content) ttftMs = performance.now() - started;
    if (chunk.usage) usage = { ...usage, ...chunk.usage };
  };
  try {
    const headers = { 'content-type': 'application/json' };
    const request = { method: 'POST', headers, body: JSON.stringify(body), ...(limit && { signal: limit }) };
    const response = await fetch(`${url}/v1/chat/completions`, request);
    if (!response.ok || response.body === null) {
      throw new Error(`${response.status}: ${(await response.text()).slice(0, 200)}`);
    }
    let rest = '';
    const decoder = new TextDecoder();
    for await (const bytes of response.body) {
      rest += decoder.decode(bytes, { stream: true });
      const events = rest.split('\n\n');
      rest = events.pop() ?? '';
      for (const event of events) read(event);
    }
    answered = true;
  } catch (error) {
    if (limit?.aborted !== true) throw error;
  }
  const totalMs = performance.now() - started;
  return {
    ttftMs: Number.isNaN(ttftMs) ? totalMs : ttftMs,
    totalMs,
    promptTokens: usage.prompt_tokens,
    cachedTokens: usage.prompt_tokens_details?.cached_tokens ?? 0,
    answerTokens: usage.completion_tokens,
    answered,
  };
}

/** Resident memory of a process in MiB; NaN where the system does not tell. */
export function residentMib(pid: number): number {
  try {
    const kib = /^VmRSS:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1];
    return kib === undefined ? Number.NaN : Number(kib) / 1024;
  } catch {
    return Number.NaN;
  }
}

/** The value below which a share of the values lies. */
export function quantile(values: readonly number[], share: number): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))] ?? Number.NaN;
}
