/**
 * How blocks are encoded under the policies of one engine: what that adds to their identity, and the states of what they
 * are encoded behind.
 *
 * An anchor is encoded once, from nothing, and kept in the memory of the device: one more pinned block, which no store
 * holds and no prompt reads. Invariant: memory that somebody uses is not freed.
 */
import { createHash } from 'node:crypto';
import type { OwnedMemory } from '../../ggml/device/backend.ts';
import type { Tokenizer } from '../../ggml/index.ts';
import { type ContextBlock, copyRows, type KvLayout, type Model, RowStates, Sequence } from '../../model/index.ts';
import type { PromptTemplate } from '../../prompt/index.ts';
import type { Runner } from '../schedule/runner.ts';
import type { Spare } from '../schedule/shortage.ts';
import { type Anchor, formatAnchor } from './anchor.ts';
import { anchorTokens } from './anchor-tokens.ts';
import { formatNeighbour } from './neighbour.ts';
import { type ContextPolicy, plainPolicy } from './policy.ts';

/** How a block is encoded. Two with the same identity give the same states. */
export interface Encoding {
  /** Part of a block's identity; empty for blocks encoded from nothing. */
  readonly identity: string;
  /** For people who look at the store; empty for blocks encoded from nothing. */
  readonly label: string;
  /** Tokens of the anchor, which stands before the block and its tail while it is encoded. Never written. */
  readonly before: Int32Array;
  /** Tokens of the block's own between the two, encoded behind the anchor; empty for none. Never written. */
  readonly tail: Int32Array;
  /** Whether the model's writer acts on the block's own tokens. */
  readonly writes: boolean;
}

/** From nothing, by the model as it reads: of a prompt's first block whatever the policy. */
export const plainEncoding: Encoding = {
  identity: '',
  label: '',
  before: new Int32Array(0),
  tail: new Int32Array(0),
  writes: false,
};

/** States that a block is encoded behind. */
export interface StatesBefore {
  readonly blocks: readonly Omit<ContextBlock, 'start'>[];
  readonly starts: readonly number[];
  /** Tokens of all of them. */
  readonly tokens: number;
  /** Where they lie, where sequences lie as rows, and by how many positions their keys are to be turned. */
  readonly rows?: RowStates | undefined;
  readonly turn: number;
  release(): void;
}

export interface EncodingsOptions {
  readonly model: Model;
  readonly runner: Runner;
  readonly tokenizer: Tokenizer;
  readonly template: PromptTemplate;
  /** Of caches that grow. */
  readonly layout: KvLayout;
  /** Whether sequences lie as rows. */
  readonly gathers: boolean;
  /** adapterIdentity() of the model's writer: it acts on every block that a policy encodes. Defaults to none. */
  readonly writer?: string | undefined;
}

/** Raised whenever encoding behind an anchor gives other states for the same tokens. */
const version = 1;
/** The same for encoding with a writer. */
const writerVersion = 1;
/** The same for encoding behind a passage's neighbour. */
const neighbourVersion = 1;
/** Anchors remembered, and anchors whose states are kept while nobody uses them: requests may name their own. */
const mostKnown = 64;
const mostStates = 8;
/** Lengths of neighbours remembered, each with every anchor. */
const mostNeighbours = 16;
/** Everybody who misses a block waits for it. */
const priority = 1;

/** Whose tails are encoded, and how soon. */
interface TailWork {
  readonly priority: number;
  readonly group: string | undefined;
  readonly signal: AbortSignal | undefined;
}

interface States {
  readonly ready: Promise<OwnedMemory | RowStates>;
  /** Once it is ready. */
  memory?: OwnedMemory | RowStates;
  users: number;
}

export class Encodings implements Spare {
  readonly #options: EncodingsOptions;
  /** By name of the anchor. */
  readonly #known = new Map<string, Encoding>();
  /** Lengths of neighbours that were asked for, the oldest first. */
  readonly #neighbours = new Set<number>();
  /** By digest of an anchor's tokens, least recently used first: whatever else a block is encoded behind or with. */
  readonly #states = new Map<string, States>();

  constructor(options: EncodingsOptions) {
    this.#options = options;
  }

  /** How a policy encodes passages. A file is read once. @throws INVALID_ARGUMENT for an anchor that cannot be had */
  of({ anchor, neighbour }: ContextPolicy): Encoding {
    if (neighbour > 0) this.#note(neighbour);
    if (anchor === null && this.#options.writer === undefined) return plainEncoding;
    const name = anchor === null ? plainPolicy.name : formatAnchor(anchor);
    const known = this.#known.get(name) ?? this.#make(anchor, name);
    this.#known.delete(name);
    this.#known.set(name, known);
    const oldest = this.#known.keys().next();
    if (this.#known.size > mostKnown && !oldest.done) this.#known.delete(oldest.value);
    return known;
  }

  #note(neighbour: number): void {
    this.#neighbours.delete(neighbour);
    this.#neighbours.add(neighbour);
    const [oldest] = this.#neighbours;
    if (this.#neighbours.size > mostNeighbours && oldest !== undefined) this.#neighbours.delete(oldest);
  }

  /** What was asked for so far; without the writer, too. */
  known(): Encoding[] {
    const asked = [...this.#known.values()];
    const bare = asked.filter(({ writes, before }) => writes && before.length > 0).map(unwritten);
    return [plainEncoding, ...bare, ...asked];
  }

  /** The same behind everything that was asked for of the passage before. @param previous all of its tokens */
  knownBehind(previous: Int32Array): Encoding[] {
    return this.known().flatMap((encoding) => [
      encoding,
      ...[...this.#neighbours].map((tokens) => behindTail(encoding, previous.slice(-tokens), tokens)),
    ]);
  }

  #make(anchor: Anchor | null, name: string): Encoding {
    const { writer } = this.#options;
    const bare = anchor === null ? plainEncoding : this.#behind(anchor, name);
    if (writer === undefined) return bare;
    return {
      ...bare,
      identity: `${bare.identity}${writtenMark}${writerVersion} ${writer}`,
      label: bare.label === '' ? 'writer' : `${bare.label}, writer`,
      writes: true,
    };
  }

  #behind(anchor: Anchor, name: string): Encoding {
    const { tokenizer, template } = this.#options;
    const before = anchorTokens(anchor, tokenizer, template);
    const hex = digestOf(before);
    const own = anchor.kind === 'text' || anchor.kind === 'file';
    // A user's own text is the user's business: the store's listing shows which it is, not what it says.
    const label = own ? `anchor:${anchor.kind} ${hex.slice(0, 8)}` : name;
    return { ...plainEncoding, identity: `behind ${version} ${hex}`, label, before };
  }

  /**
   * The states to encode a block behind. Those of an anchor are computed now if they are not there; those of a tail, which
   * no other block stands behind, each time. To be released. @throws what the runner does
   */
  async use(encoding: Encoding, work: TailWork): Promise<StatesBefore> {
    const { tail } = encoding;
    const anchor = await this.#useAnchor(encoding);
    if (tail.length === 0) return anchor;
    try {
      return await this.#behindAnchor(anchor, tail, work);
    } catch (error) {
      anchor.release();
      throw error;
    }
  }

  async #behindAnchor(anchor: StatesBefore, tail: Int32Array, work: TailWork): Promise<StatesBefore> {
    const { model, runner, layout, gathers } = this.#options;
    const { backend } = model;
    const states = gathers
      ? await rowsBehind(this.#options, anchor, tail.length)
      : backend.allocateMemory(layout.blockBytes(tail.length));
    try {
      const places = { starts: anchor.starts, first: 0 };
      const sequence = new Sequence(backend, layout, anchor.blocks, tail.length, states, places);
      await runner.prompt(sequence, tail, { logits: 'none', ...work });
    } catch (error) {
      states.free();
      throw error;
    }
    const rows = states instanceof RowStates ? states : undefined;
    const memory = states instanceof RowStates ? states.memory : states;
    if (memory === undefined) throw new Error('a tail has states');
    return {
      blocks: [...anchor.blocks, { memory, layout, tokens: tail.length }],
      starts: [...anchor.starts.map((start) => start - tail.length), -tail.length],
      tokens: anchor.tokens + tail.length,
      rows,
      turn: -tail.length,
      release: () => {
        states.free();
        anchor.release();
      },
    };
  }

  async #useAnchor({ before }: Encoding): Promise<StatesBefore> {
    if (before.length === 0) return { blocks: [], starts: [], tokens: 0, turn: 0, release: () => undefined };
    const digest = digestOf(before);
    const states: States = this.#states.get(digest) ?? { ready: this.#compute(before), users: 0 };
    states.users += 1;
    this.#states.delete(digest);
    this.#states.set(digest, states);
    let found: OwnedMemory | RowStates;
    try {
      found = await states.ready;
      states.memory = found;
    } catch (error) {
      if (this.#states.get(digest) === states) this.#states.delete(digest);
      throw error;
    }
    let released = false;
    const rows = found instanceof RowStates ? found : undefined;
    const memory = found instanceof RowStates ? found.memory : found;
    if (memory === undefined) throw new Error('an anchor has states');
    return {
      blocks: [{ memory, layout: this.#options.layout, tokens: before.length }],
      starts: [-before.length],
      tokens: before.length,
      rows,
      turn: -before.length,
      release: () => {
        if (released) return;
        released = true;
        states.users -= 1;
        this.#shrink(mostStates);
      },
    };
  }

  async #compute(tokens: Int32Array): Promise<OwnedMemory | RowStates> {
    const { model, runner, layout, gathers } = this.#options;
    const { backend } = model;
    const states = gathers
      ? await runner.rows(layout, tokens.length)
      : backend.allocateMemory(layout.blockBytes(tokens.length));
    const sequence = new Sequence(backend, layout, [], tokens.length, states);
    try {
      await runner.prompt(sequence, tokens, { logits: 'none', priority });
      return states;
    } catch (error) {
      states.free();
      throw error;
    }
  }

  /** Of states that nobody uses. */
  get spareBytes(): number {
    return this.#unused().reduce((sum, [, { memory }]) => sum + (memory?.bytes ?? 0), 0);
  }

  /** Frees states, those used longest ago first: they are computed again when they are needed. */
  give(bytes: number): void {
    let missing = bytes;
    for (const [digest, { memory }] of this.#unused()) {
      if (missing <= 0) return;
      missing -= memory?.bytes ?? 0;
      this.#states.delete(digest);
      memory?.free();
    }
  }

  #unused(): [string, States][] {
    return [...this.#states].filter(([, { users, memory }]) => users === 0 && memory !== undefined);
  }

  #shrink(most: number): void {
    for (const [digest, { memory }] of this.#unused()) {
      if (this.#states.size <= most) return;
      this.#states.delete(digest);
      memory?.free();
    }
  }

  /** Frees all states. Nothing may be encoding any more. */
  async dispose(): Promise<void> {
    const all = [...this.#states.values()];
    this.#states.clear();
    for (const { ready } of all) await ready.then((memory) => memory.free()).catch(() => undefined);
  }
}

const writtenMark = ' written ';

/** The same block without the writer. */
function unwritten({ identity, label, before }: Encoding): Encoding {
  const [bare = ''] = identity.split(writtenMark);
  return { ...plainEncoding, identity: bare, label: label.replace(/, writer$/, ''), before };
}

/**
 * The same behind the end of a passage's neighbour, too. @param tail its last tokens @param most how many were asked for: it
 * may have fewer
 */
export function behindTail(encoding: Encoding, tail: Int32Array, most: number): Encoding {
  const name = formatNeighbour(most);
  return {
    ...encoding,
    // Equal tails give equal states, however many tokens were asked for.
    identity: `${encoding.identity} after ${neighbourVersion} ${digestOf(tail)}`,
    label: encoding.label === '' ? name : `${encoding.label}, ${name}`,
    tail,
  };
}

function digestOf(tokens: Int32Array): string {
  const bytes = new Uint8Array(tokens.buffer, tokens.byteOffset, tokens.byteLength);
  return createHash('sha256').update(bytes).digest('hex');
}

/** Rows for so many more tokens, behind a copy of what they are encoded behind. */
export async function rowsBehind(
  { model, runner, layout }: Pick<EncodingsOptions, 'model' | 'runner' | 'layout'>,
  { rows, turn, tokens }: Pick<StatesBefore, 'rows' | 'turn' | 'tokens'>,
  count: number,
): Promise<RowStates> {
  const target = await runner.rows(layout, tokens + count);
  if (rows === undefined) return target;
  try {
    const picked = Int32Array.from({ length: tokens }, (_, i) => i);
    const turns = new Int32Array(tokens).fill(turn);
    const copy = { source: rows, rows: picked, turns, target, at: 0 };
    await runner.exclusive((allocator) => copyRows(model, allocator, copy));
    return target;
  } catch (error) {
    target.free();
    throw error;
  }
}
