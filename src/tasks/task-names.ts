/**
 * Names of fictional people and places, for reading tasks.
 *
 * Every name is made of two syllables from fixed lists; the sum of their indices decides which split may use it.
 * Splits therefore share no first name, no surname and no place.
 */
import { BlockAttentionError, createRandom, type Random } from '@block-attention/engine/internal/base';

export const taskSplits = ['train', 'validation', 'test'] as const;
export type TaskSplit = (typeof taskSplits)[number];

/** The syllables that names begin and end with. */
export const syllables = {
  given: [
    ['Al', 'Bren', 'Cor', 'Dar', 'El', 'Fen', 'Gar', 'Hal', 'Is', 'Jor', 'Kel', 'Lor', 'Mar', 'Nev', 'Or', 'Per'],
    ['a', 'ian', 'ick', 'ina', 'is', 'ola', 'on', 'or', 'una', 'wen', 'yn', 'eth'],
  ],
  family: [
    [
      'Ash',
      'Black',
      'Cope',
      'Dun',
      'Eld',
      'Fair',
      'Grim',
      'Hart',
      'Iver',
      'Kings',
      'Lang',
      'Moor',
      'Nor',
      'Ock',
      'Quil',
      'Rath',
    ],
    ['bourne', 'croft', 'dale', 'gate', 'hurst', 'ley', 'man', 'sen', 'shaw', 'stone', 'well', 'worth'],
  ],
  place: [
    ['Bel', 'Crag', 'Dro', 'Elm', 'Fro', 'Gil', 'Hov', 'Inver', 'Ket', 'Lum', 'Mos', 'Nim', 'Ost', 'Pel', 'Rud', 'Sil'],
    ['ara', 'brook', 'cester', 'dorf', 'enna', 'ford', 'gard', 'mouth', 'ona', 'port', 'stad', 'vik'],
  ],
} as const;

export type NameKind = keyof typeof syllables;
export const nameKinds: readonly NameKind[] = ['given', 'family', 'place'];

/** All names of a kind that a split may use, in a fixed order. */
export function namesOf(kind: NameKind, split: TaskSplit): string[] {
  const [starts, ends] = syllables[kind];
  const remainder = taskSplits.indexOf(split);
  return starts.flatMap((start, i) =>
    ends.filter((_, j) => (i + j) % taskSplits.length === remainder).map((end) => start + end),
  );
}

/** The names that all tasks of one data set draw from. */
export type NamePools = Readonly<Record<NameKind, readonly string[]>>;

/** @param size most names per kind: fewer make a smaller vocabulary. Which ones, the seed decides. */
export function namePools(split: TaskSplit, size: number, seed: number): NamePools {
  const random = createRandom(seed);
  const pool = (kind: NameKind) => random.shuffle(namesOf(kind, split)).slice(0, size);
  return { given: pool('given'), family: pool('family'), place: pool('place') };
}

/** Draws names for one task: none twice, none a part of another. */
export class NameSource {
  readonly #random: Random;
  readonly #pools: Record<NameKind, string[]>;

  constructor(pools: NamePools, random: Random) {
    this.#random = random;
    this.#pools = { given: [...pools.given], family: [...pools.family], place: [...pools.place] };
  }

  person(): string {
    return `${this.#draw('given')} ${this.#draw('family')}`;
  }

  place(): string {
    return this.#draw('place');
  }

  #draw(kind: NameKind): string {
    const pool = this.#pools[kind];
    const [name] = pool.splice(this.#random.integer(pool.length), 1);
    if (name === undefined) {
      throw new BlockAttentionError(
        'INVALID_ARGUMENT',
        `a task needs more different names of kind ${kind} than there are: allow more names, or fewer passages`,
      );
    }
    return name;
  }
}

const workKinds = ['novel', 'song', 'painting', 'play'] as const;

/** `the novel of Pelford` */
export function workTitle(names: NameSource, random: Random): string {
  return `the ${random.pick(workKinds)} of ${names.place()}`;
}

export function capitalised(text: string): string {
  return text.slice(0, 1).toUpperCase() + text.slice(1);
}
