/**
 * Blocks for prompts: names them, asks the store for them, and encodes what no tier holds.
 *
 * Knows how a model's blocks are made; where they are kept is the store's business.
 */
import type { TensorMemory } from '../ggml/backend.ts';
import { allocateMemory, type NativeMemory } from '../ggml/memory.ts';
import { KvLayout, kvLayoutVersion } from '../model/kv-layout.ts';
import type { Model } from '../model/model.ts';
import { Sequence } from '../model/sequence.ts';
import {
  type BlockHandle,
  type BlockIdentity,
  type BlockRequest,
  type BlockStore,
  blockKey,
  createIdentity,
  modelDigest,
} from '../store/index.ts';
import { DeviceResidency } from './device-residency.ts';
import { blockDamaged, type Runner } from './runner.ts';

export interface BlockSourceOptions {
  readonly model: Model;
  readonly runner: Runner;
  readonly store: BlockStore;
  readonly layout: KvLayout;
  /** Hex SHA-256 of the model's file. */
  readonly weights: string;
  /** adapterIdentity() of the model's adapter. Defaults to none. */
  readonly adapter?: string | undefined;
  /** Version of tokenizer and templates. */
  readonly tokenizer: string;
  /** Bytes of block copies a device other than the CPU may hold. Defaults to 1 GiB. */
  readonly deviceBytes?: number | undefined;
}

/** Of blocks encoded ahead. */
const lowestPriority = 0;

export class BlockSource {
  readonly layout: KvLayout;
  /** Layout of caches that grow: like `layout`, but never quantised. */
  readonly growingLayout: KvLayout;
  readonly #options: BlockSourceOptions;
  readonly #identities = new Map<string, BlockIdentity>();
  readonly #residency: DeviceResidency;
  readonly #modelDigest: string;

  constructor(options: BlockSourceOptions) {
    this.#options = options;
    this.layout = options.layout;
    const { layout, model } = options;
    this.#residency = new DeviceResidency(model.backend, options.deviceBytes);
    this.#modelDigest = modelDigest(this.identity());
    this.growingLayout = layout.type === 'q8_0' ? new KvLayout(model.hyperParameters, 'f16') : layout;
  }

  /** What blocks of a tenant are identified by besides their tokens. */
  identity(tenant = ''): BlockIdentity {
    let identity = this.#identities.get(tenant);
    if (identity === undefined) {
      const { model, weights, adapter, tokenizer, layout } = this.#options;
      const { ropes, window, windowed } = model.hyperParameters;
      identity = createIdentity({
        weights,
        adapter,
        tokenizer,
        rope: JSON.stringify([ropes, window, windowed]),
        kvType: layout.type,
        format: `layout ${kvLayoutVersion}`,
        tenant,
      });
      // A server may see many tenants: the map is a cache, not a register.
      if (this.#identities.size >= 1024) this.#identities.clear();
      this.#identities.set(tenant, identity);
    }
    return identity;
  }

  request(tokens: Int32Array, tenant?: string): BlockRequest {
    const identity = this.identity(tenant);
    return {
      key: blockKey(identity, tokens),
      model: this.#modelDigest,
      tokens,
      bytes: this.layout.blockBytes(tokens.length),
    };
  }

  /**
   * Pins the blocks of a prompt, encoding those that no tier holds.
   * @throws ABORTED, STORE_FULL
   */
  acquire(
    blocks: readonly Int32Array[],
    options: {
      readonly signal?: AbortSignal | undefined;
      readonly tenant?: string | undefined;
      /** Of encoding. Defaults to the lowest: nobody waits. */
      readonly priority?: number | undefined;
    } = {},
  ): Promise<BlockHandle[]> {
    const requests = blocks.map((tokens) => this.request(tokens, options.tenant));
    const encode: Parameters<BlockStore['acquire']>[1] = async (missing, commit, signal) => {
      const outcomes = await Promise.allSettled(
        missing.map(async (request) => {
          const { memory, ms } = await this.#encode(request, signal, options);
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

  /** Frees device copies. */
  dispose(): void {
    this.#residency.dispose();
  }

  async #encode(
    request: BlockRequest,
    signal: AbortSignal | undefined,
    {
      priority = lowestPriority,
      tenant,
    }: { readonly priority?: number | undefined; readonly tenant?: string | undefined },
  ): Promise<{ memory: NativeMemory; ms: number }> {
    const { runner, model } = this.#options;
    const { backend } = model;
    const count = request.tokens.length;
    const memory = allocateMemory(request.bytes);
    const copy = backend.isCpu ? undefined : backend.allocateMemory(request.bytes);
    const target = copy ?? backend.hostMemory(memory.address);
    const direct = this.growingLayout === this.layout;
    const sequence = new Sequence(backend, this.growingLayout, [], count, direct ? target : undefined);
    try {
      const { computeMs } = await runner.prompt(sequence, request.tokens, {
        logits: 'none',
        priority,
        group: tenant,
        signal,
      });
      if (!direct) {
        const source = { layout: sequence.layout, memory: sequence.memory };
        await runner.convert(source, { layout: this.layout, memory: target }, count);
      }
      if (copy) backend.download(copy, memory.bytes);
      return { memory, ms: computeMs };
    } catch (error) {
      memory.free();
      throw error;
    } finally {
      sequence.dispose();
      copy?.free();
    }
  }
}
