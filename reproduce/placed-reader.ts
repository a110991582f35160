/**
 * One model answering in both modes, in block mode also at positions other than the prompt's own, which the engine has no
 * use for: to measure what re-encoding is worth (docs/reproduction.md).
 *
 * The same plan, blocks, runner and generation as Engine.answer() has; a test holds the two equal.
 */

import { join } from 'node:path';
import type { Question } from '@block-attention/engine/eval';
import { BlockAttentionError } from '@block-attention/engine/internal/base';
import {
  BlockSource,
  type EngineOptions,
  type Mode,
  type PromptTemplate,
  Runner,
} from '@block-attention/engine/internal/engine';
import { Backend, createSampler, openTokenizer, type VocabTokenizer } from '@block-attention/engine/internal/ggml';
import { KvLayout, type KvType, Model, Sequence, weightsDigest } from '@block-attention/engine/internal/model';
import { cacheFolder } from '@block-attention/engine/internal/platform';
import { planRag, tokenizePlan } from '@block-attention/engine/internal/prompt';
import { type BlockStore, createMemoryStore } from '@block-attention/engine/internal/store';
import { generate } from '../packages/engine/src/engine/answer/generate.ts';
import { chooseAttention } from '../packages/engine/src/engine/attention-choice.ts';

export type ReaderOptions = Pick<
  EngineOptions,
  | 'modelPath'
  | 'device'
  | 'threads'
  | 'kvType'
  | 'attention'
  | 'linear'
  | 'repack'
  | 'contextTokens'
  | 'template'
  | 'cacheDir'
>;

export interface ReadOptions {
  readonly mode: Mode;
  readonly maxTokens: number;
  readonly stop: readonly string[];
  readonly signal: AbortSignal;
  /**
   * Block mode at positions other than the prompt's own, to measure what re-encoding is worth: from the token counts of
   * the context blocks, where each begins, and the position of the question. Defaults to one after the other.
   */
  readonly places?: ((tokens: readonly number[]) => Places) | undefined;
}

export interface Places {
  readonly starts: readonly number[];
  /** Position of the question's first token. */
  readonly first: number;
}

export interface Reading {
  readonly text: string;
  /** Of the answer's first token, [vocabulary]. */
  readonly logits: Float32Array;
}

/** Blocks are seldom read twice while a model is verified. */
const storeBytes = 2 ** 30;

interface ReaderParts {
  readonly model: Model;
  readonly tokenizer: VocabTokenizer;
  readonly store: BlockStore;
  readonly runner: Runner;
  readonly source: BlockSource;
  readonly template: PromptTemplate;
  readonly contextTokens: number;
}

export class Reader implements AsyncDisposable {
  readonly #parts: ReaderParts;
  readonly #cleanup: readonly (() => void | Promise<void>)[];

  private constructor(parts: ReaderParts, cleanup: readonly (() => void | Promise<void>)[]) {
    this.#parts = parts;
    this.#cleanup = cleanup;
  }

  /** @throws what createEngine() throws */
  static async open(options: ReaderOptions): Promise<Reader> {
    const kvType: KvType = options.kvType ?? 'f16';
    const cleanup: (() => void | Promise<void>)[] = [];
    try {
      const backend = await Backend.open({ device: options.device, threads: options.threads });
      cleanup.unshift(() => backend.dispose());
      const model = await Model.load(options.modelPath, backend, {
        repack: options.repack,
        linear: options.linear ?? 'auto',
        linearFolder: join(options.cacheDir ?? cacheFolder(), 'linear'),
      });
      cleanup.unshift(() => model.dispose());
      const contextTokens = model.contextTokens(options.contextTokens);
      const template = options.template ?? 'auto';
      const tokenizer = await openTokenizer(options.modelPath);
      cleanup.unshift(() => tokenizer.dispose());
      const weights = await weightsDigest(options.modelPath, join(options.cacheDir ?? cacheFolder(), 'digests'));
      const store = createMemoryStore({ budgetBytes: storeBytes });
      cleanup.unshift(() => store.close());
      const layout = new KvLayout(model.hyperParameters, kvType);
      const { name, factory, keepsScores } = chooseAttention(options.attention ?? 'auto', model, layout);
      const scoreBytes = keepsScores ? undefined : Number.POSITIVE_INFINITY;
      const runner = new Runner({ model, attention: factory, scoreBytes });
      cleanup.unshift(() => runner.close());
      const gathers = name === 'gathered';
      const source = new BlockSource({ model, runner, store, layout, weights, tokenizer, template, gathers });
      cleanup.unshift(() => source.dispose());
      return new Reader({ model, tokenizer, store, runner, source, template, contextTokens }, cleanup);
    } catch (error) {
      for (const release of cleanup) await release();
      throw error;
    }
  }

  /** Answers greedily. @throws CONTEXT_OVERFLOW, ABORTED, and what planning throws */
  async read({ question, passages }: Question, options: ReadOptions): Promise<Reading> {
    const { model, tokenizer, runner, source, template, contextTokens } = this.#parts;
    const { mode, maxTokens, stop, signal, places } = options;
    const plan = tokenizePlan(planRag({ template, passages, question }, tokenizer), tokenizer);
    const tokens = plan.blocks.map((block) => block.tokens);
    const context = mode === 'block' ? tokens.slice(0, -1) : [];
    const final = Int32Array.from(tokens.slice(context.length).flatMap((block) => Array.from(block)));
    const needed = tokens.reduce((sum, block) => sum + block.length, 0) + maxTokens;
    if (needed > contextTokens) {
      throw new BlockAttentionError(
        'CONTEXT_OVERFLOW',
        `prompt and answer need ${needed} tokens, the context holds ${contextTokens}: give fewer passages`,
      );
    }
    const handles = await source.acquire(context, { signal });
    let sequence: Sequence | undefined;
    try {
      const own = final.length + maxTokens;
      const at = places?.(context.map(({ length }) => length));
      if (source.gathers) {
        const blocks = handles.map((handle, i) => ({ handle, tokens: context[i]?.length ?? 0 }));
        sequence = await source.gather(blocks, own, { signal, places: at });
      } else {
        const blocks = handles.map((handle, i) => ({
          memory: source.memoryOf(handle),
          tokens: context[i]?.length ?? 0,
        }));
        sequence = new Sequence(model.backend, source.growingLayout, blocks, own, undefined, at);
      }
      const prompt = await runner.prompt(sequence, final, { logits: 'last', priority: 1, signal });
      const logits = prompt.logits.slice();
      using sampler = createSampler({}, tokenizer);
      const { text, stopReason } = await generate({
        runner,
        tokenizer,
        sampler,
        sequence,
        logits: prompt.logits,
        maxTokens,
        stop,
        afterSpace: plan.answerAfterSpace,
        signal,
        push: () => {},
      });
      if (stopReason === 'aborted') throw new BlockAttentionError('ABORTED', 'the verification was cancelled');
      return { text, logits };
    } finally {
      sequence?.dispose();
      for (const handle of handles) source.release(handle);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const release of this.#cleanup) await release();
  }
}
