/**
 * A JSON document to passages, so that the next version of it re-encodes only what changed (paper, appendix A: states
 * of games, dialogues and programs that grow and change step by step).
 *
 * Rules, from the outside in: a value whose JSON is short is one block. A longer object gives its short fields together
 * and each long one by itself; a longer array likewise its elements. An element is named by its `id`, `key` or `name`
 * where those tell the elements apart, never by its index: an insertion must not rename what comes after it. The same
 * value at the same path always gives the same block.
 */
import { BlockAttentionError } from '@block-attention/engine/internal/base';
import type { Passage } from '../types.ts';

export interface StateOptions {
  /** JSON up to this many characters is one block. Defaults to 400. */
  readonly blockCharacters?: number | undefined;
  /** Name of the whole document, first in every title. Defaults to `state`. */
  readonly name?: string | undefined;
}

/** Values up to this length share a block with their neighbours. */
const shortValue = 48;
/** What lies deeper is one block whatever its length. */
const deepest = 32;
const namingFields = ['id', 'key', 'uuid', 'name'] as const;

/**
 * The blocks of a JSON value in document order, at least one.
 * @throws INVALID_ARGUMENT when the value is not JSON, or an option is out of range
 */
export function planState(value: unknown, options: StateOptions = {}): Passage[] {
  const { blockCharacters = 400, name = 'state' } = options;
  if (!(blockCharacters >= 1)) {
    throw new BlockAttentionError(
      'INVALID_ARGUMENT',
      `blockCharacters is ${blockCharacters}: give a number of at least 1`,
    );
  }
  const blocks: Passage[] = [];
  const emit = (path: string, text: string) => blocks.push({ id: path, title: path, text });

  const visit = (part: unknown, path: string, depth: number) => {
    const text = jsonOf(part, path);
    if (typeof part !== 'object' || part === null || text.length <= Math.max(2, blockCharacters) || depth >= deepest) {
      emit(path, text);
    } else if (Array.isArray(part)) {
      const nameOf = elementNames(part);
      const items = part.map((item: unknown, i) => ({ path: `${path}[${nameOf(i)}]`, value: item }));
      split(items, path, ['[', ']'], depth);
    } else {
      const items = Object.entries(part).map(([key, item]) => ({
        path: `${path}.${key}`,
        key,
        value: item as unknown,
      }));
      split(items, path, ['{', '}'], depth);
    }
  };

  /** Short parts in runs, each long one by itself; in an array in their order, in an object the short ones first. */
  const split = (items: readonly Item[], path: string, brackets: readonly [string, string], depth: number) => {
    let run: string[] = [];
    let length = 0;
    const flush = () => {
      if (run.length > 0) emit(path, brackets[0] + run.join(',') + brackets[1]);
      run = [];
      length = 0;
    };
    const long: Item[] = [];
    for (const item of items) {
      const text = jsonOf(item.value, item.path);
      if (text.length > shortValue && item.key === undefined) {
        flush();
        visit(item.value, item.path, depth + 1);
      } else if (text.length > shortValue) {
        long.push(item);
      } else {
        const entry = item.key === undefined ? text : `${JSON.stringify(item.key)}:${text}`;
        const full = length + entry.length > blockCharacters;
        if (full || (length * 2 > blockCharacters && isAnchor(entry))) flush();
        run.push(entry);
        length += entry.length + 1;
      }
    }
    flush();
    for (const item of long) visit(item.value, item.path, depth + 1);
  };

  visit(value, name, 0);
  return blocks;
}

interface Item {
  readonly path: string;
  /** Of fields. */
  readonly key?: string;
  readonly value: unknown;
}

export interface StateChanges {
  /** Blocks of the new state that the old one has, too: nothing to encode. */
  readonly kept: readonly Passage[];
  readonly added: readonly Passage[];
  /** Blocks of the old state only: `engine.forget()` takes them out of the store. */
  readonly removed: readonly Passage[];
}

/** What distinguishes two planned states. */
export function compareStates(before: readonly Passage[], after: readonly Passage[]): StateChanges {
  const name = ({ title, text }: Passage) => `${title ?? ''}\0${text}`;
  const old = new Set(before.map(name));
  const now = new Set(after.map(name));
  return {
    kept: after.filter((block) => old.has(name(block))),
    added: after.filter((block) => !old.has(name(block))),
    removed: before.filter((block) => !now.has(name(block))),
  };
}

function jsonOf(value: unknown, path: string): string {
  let text: string | undefined;
  try {
    text = JSON.stringify(value);
  } catch (error) {
    const reason = error instanceof Error ? error.message.split('\n')[0] : String(error);
    throw new BlockAttentionError('INVALID_ARGUMENT', `${path} is not JSON: ${reason}`, { cause: error });
  }
  if (text === undefined) {
    throw new BlockAttentionError('INVALID_ARGUMENT', `${path} is ${typeof value}: give a JSON value`);
  }
  // A lone surrogate has no UTF-8; JSON may escape it.
  return text.replaceAll(/\p{Surrogate}/gu, (half) => `\\u${half.charCodeAt(0).toString(16)}`);
}

/** What names the elements of an array: the first field that is there in each and different in all. */
function elementNames(elements: readonly unknown[]): (index: number) => string {
  for (const field of namingFields) {
    const names = elements.map((element) => {
      const value = typeof element === 'object' && element !== null ? Reflect.get(element, field) : undefined;
      return typeof value === 'string' || typeof value === 'number' ? String(value) : undefined;
    });
    if (names.every((name) => name !== undefined && name.length <= 64) && new Set(names).size === names.length) {
      return (index) => `${field}=${names[index]}`;
    }
  }
  return () => '';
}

/** One entry in four: see chunk-document.ts. */
function isAnchor(text: string): boolean {
  let hash = 0x811c9dc5;
  for (let i = 0; i < text.length; i++) hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193);
  return ((hash >>> 8) & 3) === 0;
}
