/**
 * Text to the words by which it is found. The one place that decides what a word is: for the index, for questions, for
 * how much of a question a passage speaks of, and for citations.
 *
 * Scripts that write without blanks, and Korean, whose particles stick to their words, are taken as pairs of neighbouring
 * characters: measured, that finds more than a dictionary's words do, and unlike those it does not change with the
 * version of Node (docs/log/documents.md). Everything else is cut at what is not a letter, digit or mark, and without its endings.
 */
import { equivalentsOf } from './equivalents.ts';
import { foldAccents, foldMarks, scriptOf } from './fold.ts';
import { decidersOf, type Language, requireLanguage, type Script } from './languages.ts';
import { normalize } from './normalize.ts';
import { unitNamer } from './units.ts';

/** Raised whenever the same text would give other words: the words of an index made by an older version are made again. */
export const wordsVersion = 2;

/** Longer words are found by their beginning. In UTF-16 units. */
const longestWord = 64;

/** Kept of one language; some MiB. */
const mostStems = 50_000;

const pairsOnly = '\\p{Script=Hangul}\\p{Script=Thai}\\p{Script=Lao}\\p{Script=Khmer}\\p{Script=Myanmar}';
/** A single character of these is a word often enough to be asked for. */
const singlesToo = '\\p{Script=Han}\\p{Script=Hiragana}\\p{Script=Katakana}ー';
const dense = `(?:[${pairsOnly}${singlesToo}]\\p{M}*)+`;
const pieces = new RegExp(`${dense}|(?:(?![${pairsOnly}${singlesToo}])[\\p{L}\\p{N}\\p{M}])+`, 'gu');
const isDense = new RegExp(`^[${pairsOnly}${singlesToo}]`, 'u');
const isSingle = new RegExp(`^[${singlesToo}]`, 'u');
/** 1,853,000 and 1'853: also as one number. With points it may be a version, too. */
const grouped = /(?<![\p{N}.,'’])\p{N}{1,3}([,.'’])\p{N}{3}(?:\1\p{N}{3})*(?![.,'’]?\p{N})/gu;
/** What is left of a word after an apostrophe. */
const clitics = /(?<=\p{L})['’](?:s|d|ll|re|ve|m)(?![\p{L}\p{N}])/giu;
/** don't, and the two whose stems change: can't, won't. */
const negations = /(?:(?<!\p{L})(?:ca|wo))?n['’]t(?![\p{L}\p{N}])/giu;

/** Function words that the lists lack. */
const moreStopWords: Readonly<Record<string, readonly string[]>> = { English: ['a'] };
/** Words of questions about anything, besides function words. */
const asking: ReadonlySet<string> = new Set(
  `anybody anyone anything called everything find give happen happens just kind like long many may mean means might much
  name often please shall somebody someone something tell upon us use used via want yet`.split(/\s+/),
);

/** Set so that at the default floor of coverage few questions are refused that can be answered (docs/log/documents.md). */
const sureness = { pair: 0.2, otherLanguage: 0.5 } as const;

interface Decider {
  readonly fold: Language['fold'];
  readonly stem: (word: string) => string;
  readonly stop: ReadonlySet<string>;
  /** Words without endings that stand for others. */
  readonly equivalents: ReadonlyMap<string, string>;
}

/** Words of one language, and of other scripts by their commonest language. */
export class Words {
  /** In English, as an index records it. */
  readonly language: string;
  readonly #deciders: ReadonlyMap<Script, Decider>;
  readonly #nameUnits: (text: string) => string;
  readonly #stems = new Map<string, string>();

  private constructor(language: string, deciders: ReadonlyMap<Script, Decider>) {
    this.language = language;
    this.#deciders = deciders;
    this.#nameUnits = unitNamer(language);
  }

  static async load(language: Language): Promise<Words> {
    const byScript = new Map<Script, Decider>();
    const loaded = await Promise.all(decidersOf(language).map(async (one) => ({ one, decider: await decide(one) })));
    for (const { one, decider } of loaded) {
      for (const script of one.scripts) if (!byScript.has(script)) byScript.set(script, decider);
    }
    return new Words(language.name, byScript);
  }

  /** All words by which the text can be found, in order, repeated where it repeats them. None holds a blank. */
  all(text: string): string[] {
    return this.#cut(text, true);
  }

  /** The words of a question or statement that carry meaning, each in one form: a text about it has them in `all`. */
  content(text: string): string[] {
    return this.#cut(text, false);
  }

  /**
   * How surely a word that no text has is not there, instead of there in another form, in [0, 1]: a pair of characters may
   * lie across two words, and many languages have more forms than their endings tell.
   */
  sureness(word: string): number {
    if (isPair(word)) return sureness.pair;
    return /\p{N}/u.test(word) || (this.language === 'English' && scriptOf(word) === 'latin')
      ? 1
      : sureness.otherLanguage;
  }

  #cut(text: string, all: boolean): string[] {
    const out: string[] = [];
    let plain = normalize(text).replaceAll(clitics, '').replaceAll(negations, ' not');
    if (all) plain = this.#nameUnits(plain);
    plain = plain.replaceAll(grouped, (number, mark: string) => {
      const one = number.replaceAll(mark, '');
      if (all) return `${number} ${one} `;
      return mark === '.' ? number : one;
    });
    for (const [piece] of plain.matchAll(pieces)) {
      if (isDense.test(piece)) out.push(...denseWords(piece, all));
      else for (const word of innerWords(piece, all)) out.push(...this.#word(word, all));
    }
    return out;
  }

  /** No word for a function word. */
  #word(written: string, all: boolean): readonly string[] {
    const script = scriptOf(written);
    const decider = this.#deciders.get(script);
    const lower = beginning(foldMarks(written.toLowerCase(), script));
    const bare = decider?.fold === 'never' ? lower : foldAccents(lower, script);
    // Marks by themselves.
    if (bare === '') return [];
    if (decider === undefined) return [bare];
    if (decider.stop.has(bare) || (!all && asking.has(bare))) return [];
    // Names of parts and versions have no endings.
    if (/\p{N}/u.test(lower)) return [bare];
    const whole = decider.fold === 'last' ? lower : bare;
    const known = this.#stems.get(whole);
    if (known !== undefined) return [known];
    const stem = decider.stem(whole);
    const cut = stem === '' ? bare : decider.fold === 'last' ? foldAccents(stem, script) : stem;
    const word = decider.equivalents.get(cut) ?? cut;
    if (this.#stems.size > mostStems) this.#stems.clear();
    this.#stems.set(whole, word);
    return [word];
  }
}

const known = new Map<string, Promise<Words>>();

/** The words of a language. @throws INVALID_ARGUMENT for a language that is not known */
export async function openWords(language: string): Promise<Words> {
  const found = requireLanguage(language);
  const words = known.get(found.name) ?? Words.load(found);
  known.set(found.name, words);
  return words;
}

async function decide({ name, fold, stemmer, stopWords }: Language): Promise<Decider> {
  const [stems, stops] = await Promise.all([stemmer?.(), stopWords?.()]);
  const bare = (word: string) => {
    const script = scriptOf(word);
    return foldAccents(foldMarks(normalize(word).toLowerCase(), script), script);
  };
  const stem = stems?.stemmer ?? ((word: string) => word);
  return {
    fold,
    stem,
    equivalents: equivalentsOf(name, stem),
    stop: new Set([...(stops?.stopwords ?? []), ...(moreStopWords[name] ?? [])].map(bare)),
  };
}

/** Whether a word is a pair of neighbouring characters, or one of them. */
export function isPair(word: string): boolean {
  return isDense.test(word);
}

/** Does not end within a surrogate pair. */
function beginning(word: string): string {
  return word.length <= longestWord ? word : word.slice(0, longestWord).replace(/[\ud800-\udbff]$/, '');
}

/** Pairs of neighbouring characters; a character alone when it stands alone, or where it may be a word. */
function denseWords(run: string, all: boolean): string[] {
  const characters = run.match(/\P{M}\p{M}*/gu) ?? [];
  if (characters.length < 2) return characters;
  const out: string[] = [];
  for (const [at, character] of characters.entries()) {
    if (all && isSingle.test(character)) out.push(character);
    const next = characters[at + 1];
    if (next !== undefined) out.push(character + next);
  }
  return out;
}

/** The words inside `camelCase` names, and all of the name for the index. */
function innerWords(name: string, all: boolean): readonly string[] {
  if (name.length > longestWord || !/\p{Ll}\p{Lu}/u.test(name)) return [name];
  const inner = name.split(/(?<=\p{Ll})(?=\p{Lu})|(?<=\p{Lu})(?=\p{Lu}\p{Ll})/u);
  return all ? [name, ...inner] : inner;
}
