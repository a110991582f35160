/**
 * Text recognition of scanned pages, by Tesseract.js and the language data of npm, where these are installed: no network
 * is asked. Both are optional; they are looked for beside this package.
 */
import { createRequire } from 'node:module';
import { BlockAttentionError } from '@block-attention/engine/internal/base';

/** How pages are recognised. Plain data: it crosses a process boundary. */
export interface OcrSettings {
  /** Names of language data, such as `eng`. */
  readonly languages: readonly string[];
  /** Most pages of one file. */
  readonly mostPages: number;
  /** Longest time for the pages of one file, in ms; beside that for the rest of it. */
  readonly ms: number;
}

const mostPages = 200;
const longestMs = 600_000;

/** The package that holds a language's data. */
export function languagePackage(language: string): string {
  return `@tesseract.js-data/${language}`;
}

/**
 * @param languages `eng`, or several: `deu+eng`
 * @throws INVALID_ARGUMENT for what names none; BACKEND_UNAVAILABLE, with what to install, where something is missing
 */
export function ocrSettings(languages: string): OcrSettings {
  const names = [...new Set(languages.split('+'))];
  if (names.length > 8 || !names.every((name) => /^[a-z]{3}(_[a-z]{1,8})?$/.test(name))) {
    throw new BlockAttentionError(
      'INVALID_ARGUMENT',
      `ocr is ${JSON.stringify(languages)}: name languages as Tesseract does, such as eng, or deu+eng`,
    );
  }
  const missing = ['tesseract.js', ...names.map(languagePackage)].filter((name) => !isInstalled(name));
  if (missing.length > 0) {
    const which = missing.length === 1 ? `${missing[0]} is` : `${missing.join(' and ')} are`;
    throw new BlockAttentionError(
      'BACKEND_UNAVAILABLE',
      `text recognition needs packages that are not installed, and ${which} missing: \`npm install ${missing.join(' ')}\`, or go without ocr`,
    );
  }
  return { languages: names, mostPages, ms: longestMs };
}

function isInstalled(name: string): boolean {
  try {
    createRequire(import.meta.url).resolve(`${name}/package.json`);
    return true;
  } catch {
    return false;
  }
}
