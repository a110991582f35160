/** Prometheus metrics of one server. Counts only: no label carries what a client sent. */

import type { AnswerResult, Engine } from '@block-attention/engine/internal/engine';
import { Counter, Gauge, Histogram, Registry } from 'prom-client';
import { cachedTokens } from '../replies/accounting.ts';
import type { Admission } from './admission.ts';
import type { LearnState } from './learning.ts';
import type { ShadowState } from './shadow.ts';

const prefix = 'block_attention_';

export class Metrics {
  readonly registry = new Registry();
  readonly #ttft = new Histogram({
    name: `${prefix}ttft_seconds`,
    help: 'Time to the first token.',
    labelNames: ['mode'],
    buckets: [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60],
    registers: [this.registry],
  });
  readonly #tokens = this.#counter(
    'tokens_total',
    'Prompt tokens reused (cached) and computed (read), and answer tokens (written).',
    ['kind'],
  );
  readonly #requests = this.#counter('http_requests_total', 'Requests answered.', ['route', 'status']);

  readonly #decodeSpeed = new Histogram({
    name: `${prefix}decode_tokens_per_second`,
    help: 'Tokens per second of one answer after its first token.',
    buckets: [1, 2, 5, 10, 20, 50, 100, 200, 500],
    registers: [this.registry],
  });
  readonly #recomputed = this.#counter('recomputed_tokens_total', 'Context tokens recomputed with full attention.', []);

  constructor(
    engine: Engine,
    admission: Admission,
    { shadow, learning }: { readonly shadow: () => ShadowState; readonly learning: () => LearnState },
  ) {
    const store = () => engine.store.stats();
    this.#gauge('requests_running', 'Requests being computed.', () => admission.running);
    this.#gauge('requests_waiting', 'Requests in the queue.', () => admission.waiting);
    this.#gauge(
      'kv_bytes',
      'Memory reserved for keys and values of answers, kept prefixes included.',
      () => engine.usage().kvBytes,
    );
    this.#gauge(
      'kv_budget_bytes',
      'Maximum memory for keys and values of answers.',
      () => engine.usage().kvBudgetBytes,
    );
    this.#gauge('kv_waiting', 'Answers waiting for memory for their keys and values.', () => engine.usage().kvWaiting);
    const device = () => engine.usage().device;
    this.#gauge('device_used_bytes', 'Device memory in use.', () => device().usedBytes);
    this.#gauge('device_limit_bytes', 'Maximum device memory; 0 without a limit.', () => device().limitBytes ?? 0);
    this.#gauge(
      'prefix_entries',
      'Sequences kept for prompts that share a prefix.',
      () => engine.usage().prefixes.entries,
    );
    this.#gauge('prefix_bytes', 'Memory of kept sequences.', () => engine.usage().prefixes.bytes);
    this.#total('prefix_hits_total', 'Answers that began with a kept sequence.', () => engine.usage().prefixes.hits);
    this.#total(
      'prefix_reused_tokens_total',
      'Tokens that were not computed because a kept sequence had them.',
      () => engine.usage().prefixes.reusedTokens,
    );
    this.#gauge('store_blocks', 'Blocks in memory.', () => store().blocks);
    this.#gauge('store_bytes', 'Bytes of blocks in memory.', () => store().bytes);
    this.#gauge('store_budget_bytes', 'Maximum bytes of blocks in memory.', () => store().budgetBytes);
    this.#gauge('store_pinned_blocks', 'Blocks in use.', () => store().pinnedBlocks);
    this.#gauge(
      'store_pending_write_bytes',
      'Bytes waiting to be written to lower tiers.',
      () => store().pendingWriteBytes,
    );
    this.#total('store_misses_total', 'Blocks that were encoded.', () => store().misses);
    this.#total('store_evictions_total', 'Blocks evicted from memory.', () => store().evictions);
    this.#byLabel('store_hits_total', 'Blocks found, by tier.', 'tier', () => Object.entries(store().hits));
    const tiers = (value: (tier: ReturnType<typeof store>['tiers'][number]) => number) => () =>
      store().tiers.map((tier): [string, number] => [tier.name, value(tier)]);
    this.#byLabel(
      'tier_bytes',
      'Bytes kept in a lower tier, where known.',
      'tier',
      tiers(({ bytes }) => bytes ?? 0),
      'gauge',
    );
    this.#byLabel(
      'tier_writes_total',
      'Blocks written to a lower tier.',
      'tier',
      tiers(({ writes }) => writes),
    );
    this.#byLabel(
      'tier_failed_writes_total',
      'Blocks that could not be written to a lower tier.',
      'tier',
      tiers(({ failedWrites }) => failedWrites),
    );
    this.#byLabel(
      'tier_evictions_total',
      'Blocks evicted from a lower tier.',
      'tier',
      tiers(({ evictions }) => evictions),
    );
    this.#total('shadow_checks_total', 'Answers checked against full attention.', () => shadow().checks);
    this.#total('shadow_skipped_total', 'Shadow checks skipped.', () => shadow().skipped);
    this.#gauge(
      'shadow_agreement',
      'Mean agreement of the last shadow checks; NaN before the first.',
      () => shadow().agreement ?? Number.NaN,
    );
    this.#gauge(
      'shadow_kl',
      'Mean KL divergence of the last shadow checks at the first token, in nats.',
      () => shadow().kl ?? Number.NaN,
    );
    this.#gauge('shadow_fallback', '1 after shadow checks turned block mode off.', () =>
      shadow().fallback === undefined ? 0 : 1,
    );
    this.#total(
      'learn_checks_total',
      'Requests checked in both modes to decide what `auto` runs.',
      () => learning().checks,
    );
    this.#total('learn_skipped_total', 'Learning checks skipped.', () => learning().skipped);
    const orNan = (value: number | null) => value ?? Number.NaN;
    this.#gauge(
      'learn_loss',
      "Probability of full attention's answers that block mode loses; NaN before the first check.",
      () => orNan(learning().loss),
    );
    this.#gauge('learn_agreement', 'Mean agreement of the checks that count.', () => orNan(learning().agreement));
    this.#gauge('learn_kl', 'Mean KL divergence of the checks that count at the first token, in nats.', () =>
      orNan(learning().kl),
    );
    this.#gauge('learn_block', '1 after the server switched to block mode.', () =>
      Number(learning().state === 'block'),
    );
    this.#gauge('process_resident_bytes', 'Memory of the process.', () => process.memoryUsage.rss());
  }

  request(route: string, status: number): void {
    this.#requests.inc({ route, status: String(status) });
  }

  answer(result: AnswerResult): void {
    this.#ttft.observe({ mode: result.mode }, result.ttftMs / 1000);
    const prompt = result.tokens.context + result.tokens.question;
    const cached = cachedTokens(result);
    if (result.timings.decodeTokensPerSecond > 0) this.#decodeSpeed.observe(result.timings.decodeTokensPerSecond);
    if (result.recomputed.tokens > 0) this.#recomputed.inc(result.recomputed.tokens);
    this.#tokens.inc({ kind: 'cached' }, cached);
    this.#tokens.inc({ kind: 'read' }, prompt - cached);
    this.#tokens.inc({ kind: 'written' }, result.tokens.answer);
  }

  #counter<T extends string>(name: string, help: string, labelNames: T[]): Counter<T> {
    return new Counter({ name: prefix + name, help, labelNames, registers: [this.registry] });
  }

  #gauge(name: string, help: string, value: () => number): void {
    const collect = () => gauge.set(value());
    const gauge: Gauge = new Gauge({ name: prefix + name, help, registers: [this.registry], collect });
  }

  /** A counter that somebody else counts. */
  #total(name: string, help: string, value: () => number): void {
    const collect = () => {
      counter.reset();
      counter.inc(value());
    };
    const counter: Counter = new Counter({ name: prefix + name, help, registers: [this.registry], collect });
  }

  #byLabel(
    name: string,
    help: string,
    label: string,
    values: () => readonly (readonly [string, number])[],
    type: 'counter' | 'gauge' = 'counter',
  ): void {
    const collect = () => {
      metric.reset();
      for (const [value, count] of values()) metric.inc({ [label]: value }, count);
    };
    const options = { name: prefix + name, help, labelNames: [label], registers: [this.registry], collect };
    const metric: Counter | Gauge = type === 'counter' ? new Counter(options) : new Gauge(options);
  }
}
