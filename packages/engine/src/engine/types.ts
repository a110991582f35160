/**
 * The public vocabulary of the engine: what goes in, what comes out. No tensor, no pointer.
 */
import type { Device } from '../ggml/ffi/library.ts';
import type { SamplerOptions } from '../ggml/llama/sampler-options.ts';
import type { KvType } from '../model/kv/kv-layout.ts';
import type { LinearDecision } from '../model/weights/linear-choice.ts';
import type { AgentRequest, BlockKind, Passage, PromptLayout, PromptTemplate, Segment, Turn } from '../prompt/index.ts';
import type { BlockKey, BlockStore, Tier } from '../store/index.ts';
import type { AttentionName } from './attention-choice.ts';
import type { PoolStats } from './blocks/device-pool.ts';
import type { PrefixStats } from './blocks/prefix-cache.ts';
import type { ModelInfo } from './model-info.ts';
import type { PolicyInput } from './policy/policy.ts';
import type { ThreadNotice } from './schedule/pace.ts';
import type { ModeChoice, ModeRequest } from './verdict/choose-mode.ts';
import type { StoredVerdict } from './verdict/verdict-store.ts';

export type { AdapterInfo, ModelInfo } from './model-info.ts';
export type { KvType, Passage, PromptTemplate, ThreadNotice, Turn };

/** `block`: passages encoded alone and reused (the paper's). `full`: ordinary causal attention, the yardstick. */
export type Mode = 'block' | 'full';

/** `auto`: what the verdict on the model allows, full attention without a verdict. */
export type RequestedMode = Mode | 'auto';

export interface EngineOptions {
  /** Path of a GGUF file. `resolveModel()` turns aliases and references into one. */
  readonly modelPath: string;
  /** Defaults to `auto`: the best device whose platform package is installed. */
  readonly device?: Device | undefined;
  /**
   * Compute threads. `auto`: one per core that this process may use, of the fast ones where there are two kinds, within
   * its cgroup's quota; and fewer while other programs use the cores. A number stays what it is. Answers may differ in
   * their last bits by this number, not by how many threads compute at a moment. Defaults to the environment's
   * BLOCK_ATTENTION_THREADS, else to `auto`.
   */
  readonly threads?: number | 'auto' | undefined;
  /** Told once, when fewer threads turn out to be faster than those there could be. Defaults to nobody. */
  readonly onThreads?: ((notice: ThreadNotice) => void) | undefined;
  /** Longest prompt plus answer, in tokens. Defaults to what the model was trained for. */
  readonly contextTokens?: number | undefined;
  /** Defaults to `f16`. */
  readonly kvType?: KvType | undefined;
  /** Defaults to an in-memory store. The engine closes only a store it made itself. */
  readonly store?: BlockStore | undefined;
  /** Byte budget of the default store. Defaults to 2 GiB. */
  readonly storeBytes?: number | undefined;
  /**
   * Attention path: `native` is the compiled kernel of the CPU, `gathered` the path of devices (docs/gpu.md), `portable`
   * runs everywhere. Defaults to `auto`.
   */
  readonly attention?: 'auto' | AttentionName | undefined;
  /**
   * Bytes of the device's memory for blocks that were used before; on the CPU with `attention: 'gathered'`, of ordinary
   * memory. Defaults to half of what weights leave, at most what the store keeps in memory; on the CPU to 64 MiB.
   */
  readonly poolBytes?: number | undefined;
  /**
   * Most bytes of the device's memory that this engine takes, weights, blocks, states of answers and intermediate results
   * together; on the CPU weights are not counted. Of what does not fit, that alone fails. Defaults to what the driver
   * gives.
   */
  readonly deviceBytes?: number | undefined;
  /** Rearrange quantised weights for the CPU's widest kernels: faster, at the price of a copy. Defaults to true. */
  readonly repack?: boolean | undefined;
  /**
   * How the linear layers of prompts are computed. `native`: by the native kernel where it is built and fits the weights.
   * `ggml`: by ggml alone. `auto`: by the faster for weights of each type and length, measured in some milliseconds when
   * a model is loaded for the first time on this machine, and remembered in `cacheDir`. All round alike up to the order
   * of sums. Defaults to `auto`.
   */
  readonly linear?: 'auto' | 'native' | 'ggml' | undefined;
  /**
   * Path of a LoRA's GGUF, such as `finetune --lora` writes or llama.cpp loads: applied while the model runs, its weights
   * stay as they lie. Blocks and verdicts are the adapted model's own. A writer, such as `adapt` makes, acts on passages
   * while they are encoded and on nothing else. Two of them where one is a writer. Defaults to none.
   */
  readonly adapter?: string | readonly string[] | undefined;
  /** What the change of the only adapter is multiplied by, besides its own alpha / rank. Defaults to 1. */
  readonly adapterScale?: number | undefined;
  /** How passages and question become a prompt. Defaults to `auto`: the model's chat template, else a plain one. */
  readonly template?: PromptTemplate | undefined;
  /**
   * Memory that all answers together may take for keys and values of their own, prefixes kept included; what does not
   * fit waits. Defaults to half of the machine's memory; on a device to what weights and pool leave of its own.
   */
  readonly kvBytes?: number | undefined;
  /** Of these, what finished answers may keep for requests that begin alike. Defaults to 0: nothing. */
  readonly prefixBytes?: number | undefined;
  /** Of requests that name none. Defaults to `auto`. */
  readonly mode?: RequestedMode | undefined;
  /** Of requests in block mode that name none. Defaults to what the verdict on the model says, else to how the model was trained, else to an anchored one: docs/policies.md. */
  readonly policy?: PolicyInput | undefined;
  /** Folder for small files: remembered digests, verdicts. Defaults to the user's cache folder. */
  readonly cacheDir?: string | undefined;
}

/** A token of an answer as it was drawn. Probabilities are the model's own, before temperature and grammar. */
export interface TokenReport extends TokenChance {
  /** The likeliest tokens in its place, likeliest first; as many as were asked for. */
  readonly top: readonly TokenChance[];
}

export interface TokenChance {
  readonly token: number;
  /** Its text; possibly a part of a character. */
  readonly bytes: Uint8Array;
  /** Natural logarithm of its probability. */
  readonly logprob: number;
}

/** What the sampler takes, under its public name. */
export type SamplingOptions = SamplerOptions;

export interface AnswerRequest extends SamplingOptions {
  /** Defaults to the template's own instruction. */
  readonly system?: string | undefined;
  /** What the assistant said before the first question, as chat pages greet. Defaults to nothing. */
  readonly greeting?: string | undefined;
  readonly passages: readonly Passage[];
  /** Earlier questions and answers, oldest first: one block each. */
  readonly history?: readonly Turn[] | undefined;
  readonly question: string;
  /** Defaults to the engine's. */
  readonly mode?: RequestedMode | undefined;
  /** How passages are encoded and read in block mode, such as `head:8`: docs/policies.md. Defaults to the engine's. */
  readonly policy?: PolicyInput | undefined;
  /**
   * The whole prompt as it is, as a text in which control tokens may be spelled or as token ids: no template, no blocks.
   * Then passages, history, system, greeting and answerStart are empty, and the question is not looked at. Defaults to none.
   */
  readonly raw?: string | readonly number[] | undefined;
  /**
   * A conversation in which tools may be called, in place of system, greeting, history and question: by the model's chat
   * template, a block per tool. Passages stand in front of its first question. Defaults to none.
   */
  readonly agent?: AgentRequest | undefined;
  /** The beginning of the answer, given: the model goes on behind it. Not part of the result's text. Defaults to nothing. */
  readonly answerStart?: string | undefined;
  /** Behind `answerStart`, such as what begins a call of a tool: `special` segments may spell control tokens. Defaults to none. */
  readonly answerMarkup?: readonly Segment[] | undefined;
  /** Whether control tokens that the model draws are in the text, by their spelling. Defaults to false. */
  readonly controlText?: boolean | undefined;
  /** Further variables of the chat template, such as `enable_thinking` (which defaults to false). */
  readonly variables?: Readonly<Record<string, unknown>> | undefined;
  /** Defaults to 200, or what the context has left. */
  readonly maxTokens?: number | undefined;
  /** Whether a maxTokens for which the context has no room becomes what it has left. Defaults to false: CONTEXT_OVERFLOW. */
  readonly fitAnswer?: boolean | undefined;
  /** Text that ends the answer; not part of it. At most 128 strings of at most 512 characters. */
  readonly stop?: readonly string[] | undefined;
  readonly signal?: AbortSignal | undefined;
  /** Salt of the block keys: blocks are shared only within a tenant, and tenants get equal shares. Defaults to none. */
  readonly tenant?: string | undefined;
  /**
   * `text`: in block mode, a question of 1,024 characters or more is cut into blocks by the paper's delimiters. Defaults
   * to `turns`, which leaves it whole.
   */
  readonly segment?: 'turns' | 'text' | undefined;
  /** Where earlier turns go: a block each, encoded alone (the default), or the final block, which sees everything. */
  readonly historyIn?: 'blocks' | 'final' | undefined;
  /** Whether own states of an earlier answer that began alike may be used. Defaults to true, where the engine keeps any. */
  readonly prefixReuse?: boolean | undefined;
  /** Called for every token of the answer, before its text is given out. */
  readonly onToken?: ((token: TokenReport) => void) | undefined;
  /** How many alternatives a token's report names, 0 (the default) to 20. */
  readonly topLogprobs?: number | undefined;
  /** `short`: asks for a few words copied from the passages. Defaults to `free`. */
  readonly answerStyle?: 'free' | 'short' | undefined;
  /**
   * Texts, or token ids such as onToken() reports, whose likelihood as the answer is measured behind the prompt, teacher
   * forced, before it is generated.
   */
  readonly score?: readonly (string | readonly number[])[] | undefined;
  /** Called once with the logits of the prompt's last token, [vocabulary], valid during the call. */
  readonly onPromptLogits?: ((logits: Float32Array) => void) | undefined;
}

export interface BlockReport {
  /** The passage's id, or `system`, or the block's index. */
  readonly id: string;
  readonly status: 'hit' | 'miss';
  readonly tier: Tier;
  readonly tokens: number;
  readonly bytes: number;
  /** Time to load or encode, in ms. 0 for a block in memory. */
  readonly ms: number;
}

/** What the policy of a request did before its final block was read. Stored blocks stay as they are. */
export interface PolicyWork {
  /** Context tokens recomputed with full attention. */
  readonly tokens: number;
  /** Choosing and recomputing them, copies included: a part of the time to first token, in ms. */
  readonly ms: number;
}

/** What a policy's `select` found: how the question reads behind each passage alone. */
export interface Selection {
  /** All passages of the prompt that it chose among, in their order. */
  readonly passages: readonly SelectedPassage[];
  /** Reading the question behind each of them: a part of the time to first token, in ms. */
  readonly ms: number;
}

export interface SelectedPassage {
  /** The block's id. */
  readonly id: string;
  /**
   * Minus the natural logarithm of the probability that the model answers behind this passage alone that the documents do
   * not answer; at least 0. To compare passages of one question by.
   */
  readonly relevance: number;
  /** Whether the model read this passage to answer. */
  readonly read: boolean;
}

/** How likely a text is as the answer to a prompt. */
export interface TextScore {
  /** At least 0: of a text without tokens nothing is asked. */
  readonly tokens: number;
  /** Sum over its tokens of the natural logarithm of each one's probability. */
  readonly logprob: number;
}

export interface AnswerResult {
  readonly text: string;
  /** Of the texts of `AnswerRequest.score`, in order; empty without any. */
  readonly scores: readonly TextScore[];
  /** What ran. */
  readonly mode: Mode;
  /** What was asked for, by the request or by the engine's default. */
  readonly requested: RequestedMode;
  /** Why `auto` became this mode; null where the mode was asked for. */
  readonly reason: string | null;
  /** Name of the policy that ran; null in full mode. */
  readonly policy: string | null;
  /** Zeros where the policy recomputes nothing. */
  readonly recomputed: PolicyWork;
  /** Null where the policy chooses none, or the prompt has no more passages than it chooses. */
  readonly selection: Selection | null;
  readonly stopReason: 'end' | 'length' | 'stop' | 'aborted';
  /** The stop string that ended the answer, where one did. */
  readonly stopText?: string | undefined;
  /** context: all blocks before the final one. question: the final block. */
  readonly tokens: { readonly context: number; readonly question: number; readonly answer: number };
  /** Tokens of the final block (in full mode: of the prompt) whose states an earlier answer had left. */
  readonly reusedTokens: number;
  /** From the call of answer() to the first token, everything counted, in ms. */
  readonly ttftMs: number;
  readonly timings: {
    readonly planMs: number;
    /** Look-up, loading and encoding of context blocks. */
    readonly acquireMs: number;
    /** Forward pass of the final block (block mode) or of the whole prompt (full mode). */
    readonly prefillMs: number;
    readonly decodeMs: number;
    readonly decodeTokensPerSecond: number;
  };
  /** Empty in full mode. */
  readonly blocks: readonly BlockReport[];
  /** Floating-point operations to the first token: what was spent, and what full attention would have spent. */
  readonly flops: FlopsReport;
}

/**
 * Operations counted with attention, and for the matrices alone, as the paper counts. An adapter's own
 * are left out: at rank 16, 5 % of the matrices' in a model of 135M, less in larger ones.
 */
export interface FlopsReport {
  readonly spent: number;
  /** The part of `spent` that encoded blocks no tier held. */
  readonly encoding: number;
  readonly full: number;
  readonly spentLinear: number;
  readonly fullLinear: number;
}

/** Text pieces as they are generated, split on character boundaries. Leaving the loop early cancels the request. */
export interface AnswerStream extends AsyncIterable<string> {
  /** Settles when the answer is complete, also if nobody iterates. */
  readonly result: Promise<AnswerResult>;
}

/** What a prompt would be cut into. */
export interface PlanReport {
  readonly contextTokens: number;
  readonly questionTokens: number;
  /** Of all blocks, as stored. */
  readonly kvBytes: number;
  /** In prompt order; the last is the final one, which is never stored. */
  readonly blocks: readonly PlannedBlockReport[];
}

export interface PlannedBlockReport {
  readonly id: string;
  readonly kind: BlockKind;
  readonly tokens: number;
  /** The tier that has it now. */
  readonly tier: Tier | undefined;
}

export interface EncodeSummary {
  readonly blocks: number;
  readonly encoded: number;
  readonly present: number;
  /** Of all blocks, and of those that were encoded. */
  readonly tokens: number;
  readonly encodedTokens: number;
  readonly bytes: number;
  readonly ms: number;
}

export interface KeyOptions {
  readonly tenant?: string | undefined;
  /** How passages are encoded. Defaults to what requests in block mode get that name none. */
  readonly policy?: PolicyInput | undefined;
}

export interface EncodeOptions extends KeyOptions {
  readonly signal?: AbortSignal | undefined;
  readonly onProgress?: ((done: number, total: number) => void) | undefined;
  /** Called with the key of every passage's block, in order, and whether it was there (`hit`) or was encoded. */
  readonly onBlock?: ((key: BlockKey, status: 'hit' | 'miss') => void) | undefined;
}

export interface EngineUsage {
  /** Memory reserved for keys and values of answers' own, and its limit. */
  readonly kvBytes: number;
  readonly kvBudgetBytes: number;
  /** Answers that wait for such memory. */
  readonly kvWaiting: number;
  readonly prefixes: PrefixStats;
  /** Blocks in the device's memory; null where attention reads none of its own. */
  readonly pool: PoolStats | null;
  /** Bytes taken of the device's memory, as `EngineOptions.deviceBytes` counts them, and that limit; null without one. */
  readonly device: { readonly usedBytes: number; readonly limitBytes: number | null };
}

/** What document pipelines need of the model's tokenizer. */
export interface TokenCounter {
  /** Tokens of a text by itself. */
  count(text: string): number;
  /** Equal for tokenizers that cut texts alike, as far as a probe shows. */
  readonly identity: string;
}

export interface Engine extends AsyncDisposable {
  readonly model: ModelInfo;
  readonly store: BlockStore;
  readonly kvType: KvType;
  readonly attention: AttentionName;
  /**
   * Why `attention: 'auto'` had to become `portable`, and what to do about it: the native library is absent, the model does
   * not fit it, or a device lacks an operation. Null for another path, and where portable was asked for.
   */
  readonly attentionReason: string | null;
  /** The most that compute. */
  readonly threads: number;
  /** Which path multiplies which weights of prompts, and why; empty where all are ggml's for want of the other. */
  readonly linear: readonly LinearDecision[];
  readonly tokenizer: TokenCounter;
  /** The layout of its prompts: what the template `auto` stands for here. */
  readonly layout: PromptLayout;
  /** Mode of requests that name none. */
  readonly defaultMode: RequestedMode;
  /** The verdict that `auto` obeys, as it was when the engine was created; null without one. */
  readonly verdict: StoredVerdict | null;
  /** Whether the prompt's template reads a variable of this name: others do nothing in `AnswerRequest.variables`. */
  readsVariable(name: string): boolean;
  /** What a request would run as. @throws INVALID_ARGUMENT */
  chooseMode(request: ModeRequest): ModeChoice;
  /** Fills the store with the passages' blocks (and the instruction's). */
  encode(passages: readonly Passage[], options?: EncodeOptions): Promise<EncodeSummary>;
  answer(request: AnswerRequest): AnswerStream;
  /** What answer() would cut the request into, and which blocks are there already. Runs nothing. */
  plan(request: AnswerRequest): Promise<PlanReport>;
  /**
   * Removes the passages' blocks from every tier: stored states reveal their text, and must go when a document goes.
   * The instruction's block stays, other documents use it too. Found are blocks encoded under the policies that this
   * engine used, under its own, behind the built-in anchors of 100 and 200 tokens, and under `policy`; behind a neighbour
   * where the passage says which; blocks of others by their keys, with forgetBlocks(). @returns how many blocks were there @throws INVALID_PASSAGES, INVALID_ARGUMENT
   */
  forget(passages: readonly Passage[], options?: KeyOptions): Promise<number>;
  /** The same, by keys that `EncodeOptions.onBlock` gave. */
  forgetBlocks(keys: readonly BlockKey[]): Promise<number>;
  /** What answers take and keep for themselves. */
  usage(): EngineUsage;
  /**
   * Names of the passages' blocks in the store, in order. They depend on the passage's title and text, the model and
   * its settings, how passages are encoded (with `neighbour:N` on the end of what stands before them), and the tenant, on
   * nothing else. @throws INVALID_PASSAGES, INVALID_ARGUMENT
   */
  blockKeys(passages: readonly Passage[], options?: KeyOptions): BlockKey[];
  close(): Promise<void>;
}
