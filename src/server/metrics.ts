/** Prometheus metrics of one server. Counts only: no label carries what a client sent. */
import { Counter, Gauge, Histogram, Registry } from 'prom-client';
import type { AnswerResult } from '../engine/index.ts';
import type { BlockStore } from '../store/index.ts';
import type { Admission } from './admission.ts';

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
  readonly #tokens = this.#counter('tokens_total', 'Tokens read from blocks, read anew, and written.', ['kind']);
  readonly #requests = this.#counter('http_requests_total', 'Requests answered.', ['route', 'status']);

  constructor(store: BlockStore, admission: Admission) {
    this.#gauge('requests_running', 'Requests being computed.', () => admission.running);
    this.#gauge('requests_waiting', 'Requests in the queue.', () => admission.waiting);
    this.#gauge('store_blocks', 'Blocks in memory.', () => store.stats().blocks);
    this.#gauge('store_bytes', 'Bytes of blocks in memory.', () => store.stats().bytes);
    this.#gauge('store_budget_bytes', 'Bytes that blocks may take in memory.', () => store.stats().budgetBytes);
    this.#gauge('store_pinned_blocks', 'Blocks in use.', () => store.stats().pinnedBlocks);
    this.#total('store_misses_total', 'Blocks that were encoded.', () => store.stats().misses);
    this.#total('store_evictions_total', 'Blocks that left memory for others.', () => store.stats().evictions);
    this.#hits(store);
  }

  request(route: string, status: number): void {
    this.#requests.inc({ route, status: String(status) });
  }

  answer(result: AnswerResult): void {
    this.#ttft.observe({ mode: result.mode }, result.ttftMs / 1000);
    const prompt = result.tokens.context + result.tokens.question;
    const cached = result.blocks.reduce((sum, block) => sum + (block.status === 'hit' ? block.tokens : 0), 0);
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

  #hits(store: BlockStore): void {
    const collect = () => {
      counter.reset();
      for (const [tier, count] of Object.entries(store.stats().hits)) counter.inc({ tier }, count);
    };
    const [name, help] = [`${prefix}store_hits_total`, 'Blocks found, by tier.'];
    const counter = new Counter({ name, help, labelNames: ['tier'], registers: [this.registry], collect });
  }
}
