/**
 * Blocks for prompts: names them, asks the store for them, and encodes what no tier holds.
 *
 * Knows how a model's blocks are made; where they are kept is the store's business.
 */
import { Cleanup } from '../../cleanup.ts';
import type { GraphAllocator, TensorMemory } from '../../ggml/device/backend.ts';
import { allocateMemory, type NativeMemory } from '../../ggml/ffi/memory.ts';
import type { Tokenizer } from '../../ggml/llama/tokenizer.ts';
import { KvLayout, kvLayoutVersion } from '../../model/kv/kv-layout.ts';
import { rowsToBlock } from '../../model/kv/row-copies.ts';
import { type RowStates, rowsBytes } from '../../model/kv/row-states.ts';
import { Sequence } from '../../model/kv/sequence.ts';
import type { Model } from '../../model/model.ts';
import { type PromptTemplate, promptVersion } from '../../prompt/index.ts';
import {
  type BlockHandle,
  type BlockIdentity,
  type BlockKey,
  type BlockRequest,
  type BlockStore,
  blockKey,
  createIdentity,
  modelDigest,
} from '../../store/index.ts';
import { behindTail, type Encoding, Encodings, plainEncoding, rowsBehind } from '../policy/encodings.ts';
import type { Tails } from '../policy/neighbour-tokens.ts';
import { type ContextPolicy, plainPolicy } from '../policy/policy.ts';
import { blockDamaged } from '../schedule/damaged-files.ts';
import type { Runner } from '../schedule/runner.ts';
import type { Spare } from '../schedule/shortage.ts';
import { DevicePool, type PoolStats } from './device-pool.ts';
import { DeviceResidency } from './device-residency.ts';
import { EncodingRoom } from './encoding-room.ts';

export interface BlockSourceOptions {
  readonly model: Model;
  readonly runner: Runner;
  readonly store: BlockStore;
  readonly layout: KvLayout;
  /** Hex SHA-256 of the model's file. */
  readonly weights: string;
  /** adapterIdentity() of the model's ordinary adapter. Defaults to none. */
  readonly adapter?: string | undefined;
  /** The same of its writer, which acts on all blocks but a prompt's first. Defaults to none. */
  readonly writer?: string | undefined;
  readonly tokenizer: Tokenizer;
  readonly template: PromptTemplate;
  /** Whether attention reads rows that are gathered for each sequence. Defaults to false. */
  readonly gathers?: boolean | undefined;
  /** Bytes of blocks in a device's memory: of what is gathered from, or of copies. Defaults to 1 GiB, on the CPU 64 MiB. */
  readonly poolBytes?: number | undefined;
  /** Whether less of them is an error. Defaults to false: then it is what the device has left. */
  readonly poolIsGiven?: boolean | undefined;
}

/** Whose blocks, and how they are encoded. */
export interface BlocksOptions {
  readonly tenant?: string | undefined;
  /** Defaults to `plain`. */
  readonly policy?: ContextPolicy | undefined;
  /** Whether the first of the blocks begins the prompt: it stands behind nothing, whatever the policy. Defaults to true. */
  readonly begins?: boolean | undefined;
  /** What each of the blocks stands behind in its document, where the policy asks for it. Defaults to nothing. */
  readonly tails?: Tails | undefined;
}

/** A block of a sequence whose context is gathered: pinned, and how much of it is seen. */
export interface GatheredBlock {
  readonly handle: BlockHandle | undefined;
  readonly tokens: number;
  readonly hidden?: number | undefined;
}

/** Of blocks encoded ahead. */
const lowestPriority = 0;
/** On the CPU gathering is for tests. */
const defaultPoolBytes = (isCpu: boolean) => (isCpu ? 2 ** 26 : 2 ** 30);

export class BlockSource {
  readonly layout: KvLayout;
  /** Layout of caches that grow: like `layout`, but never quantised. */
  readonly growingLayout: KvLayout;
  readonly #options: BlockSourceOptions;
  readonly #identities = new Map<string, BlockIdentity>();
  readonly #residency: DeviceResidency;
  readonly #pool: DevicePool | undefined;
  readonly #room = new EncodingRoom();
  readonly #modelDigest: string;
  readonly #tokenizerVersion: string;
  /** How the policies of this engine encode. */
  readonly encodings: Encodings;

  constructor(options: BlockSourceOptions) {
    this.#options = options;
    this.layout = options.layout;
    const { layout, model, runner, gathers = false } = options;
    const poolBytes = options.poolBytes ?? defaultPoolBytes(model.backend.isCpu);
    this.#residency = new DeviceResidency(model.backend, poolBytes);
    // A size that nobody asked for is whatever there is.
    const least = options.poolIsGiven === true ? poolBytes : 0;
    this.#pool = gathers
      ? new DevicePool(model, layout, (work) => runner.exclusive(work), poolBytes, { least })
      : undefined;
    this.#tokenizerVersion = promptVersion(options.tokenizer);
    this.#modelDigest = modelDigest(this.identity());
    const grows = gathers || layout.type !== 'q8_0';
    this.growingLayout = grows ? layout : new KvLayout(model.hyperParameters, 'f16');
    this.encodings = new Encodings({ ...options, gathers, layout: this.growingLayout });
  }

  /** Whether contexts are gathered into rows of each sequence's own. */
  get gathers(): boolean {
    return this.#pool !== undefined;
  }

  /** What of the device's memory requests can do without. */
  get spares(): readonly Spare[] {
    return this.#pool === undefined ? [this.encodings] : [this.encodings, this.#pool];
  }

  /** Of the pool that contexts are gathered from; undefined without. */
  poolStats(): PoolStats | undefined {
    return this.#pool?.stats();
  }

  /** Bytes of a sequence: its own tokens, and the context where that is gathered. */
  sequenceBytes(contextTokens: number, ownTokens: number): number {
    if (this.gathers) return rowsBytes(this.growingLayout, contextTokens + ownTokens);
    return this.growingLayout.blockBytes(ownTokens);
  }

  /**
   * A sequence with copies of pinned blocks, their keys turned to their places. To be disposed.
   * @param options `places`: see Sequence
   * @throws ABORTED, MODEL_TOO_LARGE, BLOCK_DAMAGED
   */
  async gather(
    blocks: readonly GatheredBlock[],
    ownTokens: number,
    options: {
      readonly signal?: AbortSignal | undefined;
      readonly places?: { readonly starts: readonly number[]; readonly first: number } | undefined;
    } = {},
  ): Promise<Sequence> {
    const { model, runner } = this.#options;
    const { backend } = model;
    const total = blocks.reduce((sum, { tokens }) => sum + tokens, 0);
    const rows = await runner.rows(this.layout, total + ownTokens);
    try {
      const { memory } = rows;
      if (memory === undefined) throw new Error('rows have memory');
      const context = blocks.map(({ tokens, hidden }) => ({ memory, tokens, hidden }));
      const sequence = new Sequence(backend, this.layout, context, ownTokens, rows, options.places);
      const pooled = blocks.flatMap(({ handle, tokens }, i) => {
        const start = sequence.blocks[i]?.start ?? 0;
        return handle === undefined ? [] : [{ key: handle.key, memory: handle.memory, tokens, start }];
      });
      await this.#pool?.gather(pooled, rows, options.signal);
      return sequence;
    } catch (error) {
      rows.free();
      throw error;
    }
  }

  /** Removes blocks from the memory of the device. */
  async forget(keys: readonly BlockKey[]): Promise<void> {
    await this.#pool?.forget(keys);
  }

  /** Hex SHA-256 of the model's file. */
  get weights(): string {
    return this.#options.weights;
  }

  /** What blocks of a tenant are identified by besides their tokens. */
  identity(tenant = '', { identity: encoding }: Encoding = plainEncoding): BlockIdentity {
    const name = JSON.stringify([tenant, encoding]);
    let identity = this.#identities.get(name);
    if (identity === undefined) {
      const { model, weights, adapter, layout } = this.#options;
      const { attention, convolutions } = model.hyperParameters;
      const mixers = convolutions.length === 0 ? attention : { attention, convolutions };
      identity = createIdentity({
        weights,
        adapter,
        tokenizer: this.#tokenizerVersion,
        rope: JSON.stringify(mixers),
        kvType: layout.type,
        format: `layout ${kvLayoutVersion}`,
        tenant,
        encoding,
      });
      // A server may see many tenants: the map is a cache, not a register.
      if (this.#identities.size >= 1024) this.#identities.clear();
      this.#identities.set(name, identity);
    }
    return identity;
  }

  /** What the store knows blocks by, in order. @throws INVALID_ARGUMENT for a policy whose anchor cannot be had */
  requests(blocks: readonly Int32Array[], options: BlocksOptions = {}): BlockRequest[] {
    const encodings = this.#encodingsOf(blocks, options);
    return blocks.map((tokens, index) => this.#request(tokens, options.tenant, encodings[index] ?? plainEncoding));
  }

  /**
   * The same block under every way of encoding that this engine was asked for.
   * @param previous tokens of the passage before it in its document, where that is known
   */
  variants(tokens: Int32Array, tenant: string | undefined, previous: Int32Array | undefined): BlockRequest[] {
    const { encodings } = this;
    const known = previous === undefined ? encodings.known() : encodings.knownBehind(previous);
    return known.map((encoding) => this.#request(tokens, tenant, encoding));
  }

  #encodingsOf(blocks: readonly Int32Array[], options: BlocksOptions): Encoding[] {
    const { policy = plainPolicy, begins = true, tails = [] } = options;
    const encoding = this.encodings.of(policy);
    return blocks.map((_, index) => {
      if (begins && index === 0) return plainEncoding;
      const tail = tails[index];
      return tail === undefined ? encoding : behindTail(encoding, tail, policy.neighbour);
    });
  }

  #request(tokens: Int32Array, tenant: string | undefined, encoding: Encoding): BlockRequest {
    return {
      key: blockKey(this.identity(tenant, encoding), tokens),
      model: this.#modelDigest,
      tokens,
      bytes: this.layout.blockBytes(tokens.length),
      ...(encoding.label !== '' && { encoding: encoding.label }),
    };
  }

  /** Tokens that each block stands behind while it is encoded: of the anchor, and behind that of the tail. */
  tokensBefore(blocks: readonly Int32Array[], options: BlocksOptions): { anchor: number; tail: number }[] {
    return this.#encodingsOf(blocks, options).map(({ before, tail }) => ({ anchor: before.length, tail: tail.length }));
  }

  /**
   * Pins the blocks of a prompt, encoding those that no tier holds.
   * @throws ABORTED, STORE_FULL
   */
  acquire(
    blocks: readonly Int32Array[],
    options: BlocksOptions & {
      readonly signal?: AbortSignal | undefined;
      /** Of encoding. Defaults to the lowest: nobody waits. */
      readonly priority?: number | undefined;
    } = {},
  ): Promise<BlockHandle[]> {
    const encodings = this.#encodingsOf(blocks, options);
    const requests = blocks.map((tokens, i) => this.#request(tokens, options.tenant, encodings[i] ?? plainEncoding));
    const byKey = new Map(requests.map(({ key }, i) => [key, encodings[i] ?? plainEncoding]));
    const encode: Parameters<BlockStore['acquire']>[1] = async (missing, commit, signal) => {
      const outcomes = await Promise.allSettled(
        missing.map(async (request) => {
          const { memory, ms } = await this.#encode(request, byKey.get(request.key) ?? plainEncoding, signal, options);
          commit(request, memory, ms);
        }),
      );
      for (const outcome of outcomes) if (outcome.status === 'rejected') throw outcome.reason;
    };
    return this.#options.store.acquire(requests, encode, options);
  }

  /**
   * The memory that a pinned block is read from: its own on the CPU; on another device a copy there, kept by
   * `residency` as long as there is room. Valid until the handle is released.
   */
  memoryOf(handle: BlockHandle): TensorMemory {
    const { backend } = this.#options.model;
    if (!backend.isCpu) return this.#residency.place(handle);
    const { memory } = handle;
    return { ...backend.hostMemory(memory.address), isDamaged: () => memory.damaged === true };
  }

  /** @throws BLOCK_DAMAGED when what was read of a pinned block may have been wrong. */
  ensureWhole(handles: readonly BlockHandle[]): void {
    if (handles.some(({ memory }) => memory.damaged === true)) throw blockDamaged();
  }

  /** Lets go of the device copy that memoryOf() gave out, and of the block. */
  release(handle: BlockHandle): void {
    this.#residency.release(handle);
    handle.release();
  }

  /** Frees device copies and the states of anchors. Nothing may be encoding any more. */
  async dispose(): Promise<void> {
    this.#residency.dispose();
    this.#pool?.dispose();
    await this.encodings.dispose();
  }

  async #encode(
    request: BlockRequest,
    encoding: Encoding,
    signal: AbortSignal | undefined,
    {
      priority = lowestPriority,
      tenant,
    }: { readonly priority?: number | undefined; readonly tenant?: string | undefined },
  ): Promise<{ memory: NativeMemory; ms: number }> {
    const { runner, model } = this.#options;
    const { backend } = model;
    const count = request.tokens.length;
    using cleanup = new Cleanup();
    const stoodBehind = encoding.before.length + encoding.tail.length;
    // A tail has rows of its own, which the block's are copied from.
    const tokens = stoodBehind + count + (encoding.tail.length === 0 ? 0 : stoodBehind);
    if (this.gathers) cleanup.defer(await this.#room.enter(tokens, { group: tenant ?? '', priority, signal }));
    const before = await this.encodings.use(encoding, { priority, group: tenant, signal });
    cleanup.defer(() => before.release());
    const memory = allocateMemory(request.bytes);
    try {
      const places = { starts: before.starts, first: 0 };
      const encode = async (own: TensorMemory | RowStates | undefined) => {
        const sequence = new Sequence(backend, this.growingLayout, before.blocks, count, own, places);
        cleanup.defer(() => sequence.dispose());
        const { computeMs } = await runner.prompt(sequence, request.tokens, {
          logits: 'none',
          writes: encoding.writes,
          priority,
          group: tenant,
          signal,
        });
        return { sequence, ms: computeMs };
      };
      if (this.gathers) {
        const rows = await rowsBehind({ model, runner, layout: this.layout }, before, count);
        const { ms } = await encode(rows);
        await runner.exclusive((allocator) => this.#takeBlock(allocator, rows, before.tokens, memory, count));
        return { memory, ms };
      }
      const copy = backend.isCpu ? undefined : backend.allocateMemory(request.bytes, 'a block');
      if (copy) cleanup.defer(() => copy.free());
      const target = { layout: this.layout, memory: copy ?? backend.hostMemory(memory.address) };
      const direct = this.growingLayout === this.layout;
      const { sequence, ms } = await encode(direct ? target.memory : undefined);
      if (!direct) await runner.convert({ layout: sequence.layout, memory: sequence.memory }, target, count);
      if (copy) await runner.exclusive(() => Promise.resolve(backend.download(copy, memory.bytes)));
      return { memory, ms };
    } catch (error) {
      memory.free();
      throw error;
    }
  }

  /** What rows hold behind the first `before` as a block in host memory. The backend is to be at hand. */
  async #takeBlock(
    allocator: GraphAllocator,
    rows: RowStates,
    before: number,
    memory: NativeMemory,
    count: number,
  ): Promise<void> {
    const { model } = this.#options;
    const { backend } = model;
    const copy = backend.isCpu ? undefined : backend.allocateMemory(memory.size, 'a block');
    try {
      const target = { layout: this.layout, memory: copy ?? backend.hostMemory(memory.address) };
      await rowsToBlock(model, allocator, rows, before, target, count);
      if (copy) backend.download(copy, memory.bytes);
    } finally {
      copy?.free();
    }
  }
}
