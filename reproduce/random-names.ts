/**
 * Names and values without end, to train on: a reader must copy names it has never met.
 *
 * None of them is a name that the validation or test tasks use.
 */
import type { Random } from '@block-attention/engine/internal/base';
import { capitalised, type NameKind, nameKinds, namesOf, syllables } from '../src/tasks/task-names.ts';
import { colours, days, months, qualities, things, units } from './words.ts';

const onsets =
  'b br c ch cl cr d dr f fl fr g gl gr h j k kl l m n p pl pr qu r s sc sh sk sl sm sp st t th tr v w z'.split(' ');
const vowels = 'a e i o u a e i o u a e i o u a e i o u ai au ea ei ia ie io oa oo ou y ä é ö'.split(' ');
const codas = [
  '',
  '',
  '',
  ...'b ck d ff g k l ld ll m n nd ng nk nn nt p r rd rk rn rt s sh ss st t th x z'.split(' '),
];
const suffixes =
  'by den field ham holm land ridge shire ton vale wick wood berg burg fell haven mere sted son er ing ler'.split(' ');

const reserved = new Set(nameKinds.flatMap((kind) => [...namesOf(kind, 'validation'), ...namesOf(kind, 'test')]));

/** Any element. */
export function choose<T>(random: Random, values: readonly T[]): T {
  const value = values[random.integer(values.length)];
  if (value === undefined) throw new RangeError('nothing to choose from');
  return value;
}

/** A pronounceable word in lower case. */
export function madeUpWord(random: Random, syllableCount: number): string {
  let word = '';
  for (let i = 0; i < syllableCount; i++) word += choose(random, onsets) + choose(random, vowels);
  return word + choose(random, codas);
}

/** A name of one word, of the made-up kind or of the kind that the tasks use. */
export function nameOf(kind: NameKind, random: Random): string {
  for (;;) {
    const name = draft(kind, random);
    if (!reserved.has(name)) return name;
  }
}

function draft(kind: NameKind, random: Random): string {
  const [starts, ends] = syllables[kind];
  const draw = random.uniform();
  if (draw < 0.5) return choose(random, starts) + choose(random, ends);
  if (draw < 0.7) return capitalised(madeUpWord(random, 1)) + choose(random, [...ends, ...suffixes]);
  if (draw < 0.8) return choose(random, starts) + choose(random, suffixes);
  return capitalised(madeUpWord(random, 1 + random.integer(2)));
}

export function personName(random: Random): string {
  return `${nameOf('given', random)} ${nameOf('family', random)}`;
}

/** `the billing service`, `the Brodford museum`. */
export function thingName(random: Random): string {
  const draw = random.uniform();
  const first = draw < 0.6 ? choose(random, qualities) : draw < 0.8 ? nameOf('place', random) : madeUpWord(random, 2);
  return `the ${first} ${choose(random, things)}`;
}

/** `cache-size`, `drobel_4`, `RX720`. */
export function codeName(random: Random): string {
  const part = () => (random.uniform() < 0.5 ? choose(random, [...qualities, ...things]) : madeUpWord(random, 2));
  const draw = random.uniform();
  if (draw < 0.3) return `${part()}-${part()}`;
  if (draw < 0.5) return `${part()}_${part()}`;
  if (draw < 0.65) return `${part()}.${part()}`;
  if (draw < 0.8) return `${part()}-${1 + random.integer(99)}`;
  return madeUpWord(random, 1).toUpperCase().slice(0, 3) + (10 + random.integer(990));
}

export function number(random: Random): string {
  const digits = 1 + random.integer(4);
  return String(1 + random.integer(10 ** digits));
}

export function year(random: Random): string {
  return String(1500 + random.integer(530));
}

export function date(random: Random): string {
  const day = 1 + random.integer(28);
  const draw = random.uniform();
  if (draw < 0.5) return `${day} ${choose(random, months)} ${year(random)}`;
  if (draw < 0.8) return `${day} ${choose(random, months)}`;
  return choose(random, days);
}

export function amount(random: Random): string {
  return `${number(random)} ${choose(random, units)}`;
}

/** Whatever a setting may hold. */
export function value(random: Random): string {
  const makers = [number, number, amount, codeName, (r: Random) => choose(r, colours), (r: Random) => madeUpWord(r, 2)];
  return choose(random, makers)(random);
}
