/**
 * The languages whose endings and function words are known, and the names by which people call them.
 *
 * A language is given for an index once, by its English name, its own name or an ISO 639 code. Words of other scripts
 * than its own go by the commonest language of their script, so an index in English finds Russian words too.
 */
import { BlockAttentionError } from '@block-attention/engine/internal/base';

export type Script =
  | 'latin'
  | 'greek'
  | 'cyrillic'
  | 'arabic'
  | 'hebrew'
  | 'devanagari'
  | 'armenian'
  | 'tamil'
  | 'other';

export interface Language {
  /** In English; what an index records. */
  readonly name: string;
  /** ISO 639-1. */
  readonly code: string;
  /** What its speakers call it. */
  readonly own: string;
  /** Whose words it decides on. */
  readonly scripts: readonly Script[];
  /**
   * When accents are dropped: before endings are cut, after (endings need them), or not at all (they tell words apart).
   */
  readonly fold: 'first' | 'last' | 'never';
  readonly stemmer?: (() => Promise<{ readonly stemmer: (word: string) => string }>) | undefined;
  readonly stopWords?: (() => Promise<{ readonly stopwords: readonly string[] }>) | undefined;
}

type Loaders = Pick<Language, 'stemmer' | 'stopWords'>;

function language(
  [name, code, own]: readonly [name: string, code: string, own: string],
  scripts: readonly Script[],
  loaders: Loaders = {},
  fold: Language['fold'] = 'last',
): Language {
  return { name, code, own, scripts, fold, ...loaders };
}

export const languages: readonly Language[] = [
  language(['Arabic', 'ar', 'العربية'], ['arabic'], {
    stemmer: () => import('@orama/stemmers/arabic'),
    stopWords: () => import('@orama/stopwords/arabic'),
  }),
  language(['Armenian', 'hy', 'հայերեն'], ['armenian'], {
    stemmer: () => import('@orama/stemmers/armenian'),
    stopWords: () => import('@orama/stopwords/armenian'),
  }),
  language(['Bulgarian', 'bg', 'български'], ['cyrillic'], {
    stemmer: () => import('@orama/stemmers/bulgarian'),
    stopWords: () => import('@orama/stopwords/bulgarian'),
  }),
  // Cut by script alone, as are Thai and the others that write without blanks.
  language(['Chinese', 'zh', '中文'], []),
  language(['Danish', 'da', 'dansk'], ['latin'], {
    stemmer: () => import('@orama/stemmers/danish'),
    stopWords: () => import('@orama/stopwords/danish'),
  }),
  language(['Dutch', 'nl', 'Nederlands'], ['latin'], {
    stemmer: () => import('@orama/stemmers/dutch'),
    stopWords: () => import('@orama/stopwords/dutch'),
  }),
  language(
    ['English', 'en', 'English'],
    ['latin'],
    { stemmer: () => import('@orama/stemmers/english'), stopWords: () => import('@orama/stopwords/english') },
    'first',
  ),
  language(['Finnish', 'fi', 'suomi'], ['latin'], {
    stemmer: () => import('@orama/stemmers/finnish'),
    stopWords: () => import('@orama/stopwords/finnish'),
  }),
  language(['French', 'fr', 'français'], ['latin'], {
    stemmer: () => import('@orama/stemmers/french'),
    stopWords: () => import('@orama/stopwords/french'),
  }),
  language(['German', 'de', 'Deutsch'], ['latin'], {
    stemmer: () => import('@orama/stemmers/german'),
    stopWords: () => import('@orama/stopwords/german'),
  }),
  language(['Greek', 'el', 'ελληνικά'], ['greek'], {
    stemmer: () => import('@orama/stemmers/greek'),
    stopWords: () => import('@orama/stopwords/greek'),
  }),
  language(['Hebrew', 'he', 'עברית'], ['hebrew']),
  language(['Hindi', 'hi', 'हिन्दी'], ['devanagari'], {
    stemmer: () => import('@orama/stemmers/indian'),
    stopWords: () => import('@orama/stopwords/indian'),
  }),
  language(['Hungarian', 'hu', 'magyar'], ['latin'], {
    stemmer: () => import('@orama/stemmers/hungarian'),
    stopWords: () => import('@orama/stopwords/hungarian'),
  }),
  language(['Indonesian', 'id', 'Bahasa Indonesia'], ['latin'], {
    stemmer: () => import('@orama/stemmers/indonesian'),
    stopWords: () => import('@orama/stopwords/indonesian'),
  }),
  language(['Irish', 'ga', 'Gaeilge'], ['latin'], {
    stemmer: () => import('@orama/stemmers/irish'),
    stopWords: () => import('@orama/stopwords/irish'),
  }),
  language(['Italian', 'it', 'italiano'], ['latin'], {
    stemmer: () => import('@orama/stemmers/italian'),
    stopWords: () => import('@orama/stopwords/italian'),
  }),
  language(['Japanese', 'ja', '日本語'], []),
  language(['Korean', 'ko', '한국어'], []),
  language(['Lithuanian', 'lt', 'lietuvių'], ['latin'], {
    stemmer: () => import('@orama/stemmers/lithuanian'),
    stopWords: () => import('@orama/stopwords/lithuanian'),
  }),
  language(['Nepali', 'ne', 'नेपाली'], ['devanagari'], {
    stemmer: () => import('@orama/stemmers/nepali'),
    stopWords: () => import('@orama/stopwords/nepali'),
  }),
  language(['Norwegian', 'no', 'norsk'], ['latin'], {
    stemmer: () => import('@orama/stemmers/norwegian'),
    stopWords: () => import('@orama/stopwords/norwegian'),
  }),
  language(['Persian', 'fa', 'فارسی'], ['arabic']),
  language(['Portuguese', 'pt', 'português'], ['latin'], {
    stemmer: () => import('@orama/stemmers/portuguese'),
    stopWords: () => import('@orama/stopwords/portuguese'),
  }),
  language(['Romanian', 'ro', 'română'], ['latin'], {
    stemmer: () => import('@orama/stemmers/romanian'),
    stopWords: () => import('@orama/stopwords/romanian'),
  }),
  language(['Russian', 'ru', 'русский'], ['cyrillic'], {
    stemmer: () => import('@orama/stemmers/russian'),
    stopWords: () => import('@orama/stopwords/russian'),
  }),
  // The stemmer writes both scripts in Latin letters.
  language(['Serbian', 'sr', 'српски'], ['cyrillic', 'latin'], {
    stemmer: () => import('@orama/stemmers/serbian'),
    stopWords: () => import('@orama/stopwords/serbian'),
  }),
  language(['Slovenian', 'sl', 'slovenščina'], ['latin'], {
    stopWords: () => import('@orama/stopwords/slovenian'),
  }),
  language(['Spanish', 'es', 'español'], ['latin'], {
    stemmer: () => import('@orama/stemmers/spanish'),
    stopWords: () => import('@orama/stopwords/spanish'),
  }),
  language(['Swedish', 'sv', 'svenska'], ['latin'], {
    stemmer: () => import('@orama/stemmers/swedish'),
    stopWords: () => import('@orama/stopwords/swedish'),
  }),
  language(['Tamil', 'ta', 'தமிழ்'], ['tamil'], {
    stemmer: () => import('@orama/stemmers/tamil'),
    stopWords: () => import('@orama/stopwords/tamil'),
  }),
  language(['Thai', 'th', 'ไทย'], []),
  language(['Turkish', 'tr', 'Türkçe'], ['latin'], {
    stemmer: () => import('@orama/stemmers/turkish'),
    stopWords: () => import('@orama/stopwords/turkish'),
  }),
  language(['Ukrainian', 'uk', 'українська'], ['cyrillic'], {
    stemmer: () => import('@orama/stemmers/ukrainian'),
    stopWords: () => import('@orama/stopwords/ukrainian'),
  }),
  language(['Urdu', 'ur', 'اردو'], ['arabic']),
  // Its accents tell words apart.
  language(['Vietnamese', 'vi', 'Tiếng Việt'], ['latin'], {}, 'never'),
  // Words as they are written, of every script.
  language(
    ['None', 'none', 'none'],
    ['latin', 'greek', 'cyrillic', 'arabic', 'hebrew', 'devanagari', 'armenian', 'tamil'],
  ),
];

export const defaultLanguage = 'English';
/** Who decides on words of a script that is not the language's own, the first that has the script. */
const byScript = ['English', 'Russian', 'Greek', 'Arabic', 'Hindi', 'Armenian', 'Tamil'];

/** Other names by which a language goes. */
const otherNames: ReadonlyMap<string, string> = new Map([
  ['bahasa', 'Indonesian'],
  ['bokmal', 'Norwegian'],
  ['castellano', 'Spanish'],
  ['castilian', 'Spanish'],
  ['farsi', 'Persian'],
  ['flemish', 'Dutch'],
  ['gaelic', 'Irish'],
  ['mandarin', 'Chinese'],
  ['nb', 'Norwegian'],
  ['nn', 'Norwegian'],
  ['nynorsk', 'Norwegian'],
]);

const plain = (text: string) => text.normalize('NFKD').replaceAll(/\p{M}/gu, '').trim().toLowerCase();

/** The language of that name, also by its own name, `de`, `deu` or `de-AT`; undefined when there is none. */
export function findLanguage(name: string): Language | undefined {
  const asked = plain(name);
  const wanted = plain(otherNames.get(asked) ?? asked);
  const named = languages.find(({ name, own, code }) => [name, own, code].some((known) => plain(known) === wanted));
  if (named !== undefined) return named;
  const code = primaryCode(asked.replaceAll('_', '-'));
  const other = otherNames.get(code);
  return languages.find((known) => known.code === code || known.name === other);
}

/** `deu-AT` to `de`; an empty text for what is not a language tag. */
function primaryCode(tag: string): string {
  try {
    return Intl.getCanonicalLocales(tag)[0]?.split('-')[0] ?? '';
  } catch {
    return '';
  }
}

/** @throws INVALID_ARGUMENT that names the languages there are */
export function requireLanguage(name: string): Language {
  const found = findLanguage(name);
  if (found !== undefined) return found;
  const names = languages.map((known) => known.name).join(', ');
  throw new BlockAttentionError(
    'INVALID_ARGUMENT',
    `the language is ${JSON.stringify(name)}: give one of ${names}, or its ISO 639 code`,
  );
}

/** The languages that decide on the words of an index, by script; the first of a script wins. */
export function decidersOf(chosen: Language): readonly Language[] {
  return [chosen, ...byScript.flatMap((name) => languages.find((known) => known.name === name) ?? [])];
}
