/**
 * Scanned pages to lines, by Tesseract.js. Runs in the parsing process, whose memory and time bound it; one recogniser is
 * kept from file to file, since reading its language data takes a second.
 */
import { copyFile, mkdtemp, rm } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import type * as Tesseract from 'tesseract.js';
import { languagePackage, type OcrSettings } from '../ocr-engine.ts';
import type { GreyImage } from './pdf-images.ts';
import { type Line, lineOf } from './pdf-lines.ts';

const require = createRequire(import.meta.url);
/** Lines that Tesseract is less sure of, in percent, are specks and rules. */
const leastConfidence = 40;

let kept: { readonly languages: string; readonly worker: Promise<Tesseract.Worker> } | undefined;

/** Recognises pages within the settings' limits; what it did not get to is told by `skipped`. */
export class Recognizer {
  readonly #settings: OcrSettings;
  readonly #until: number;
  #pages = 0;
  /** Pages with pictures that were not looked at, for want of time or beyond the most. */
  skipped = 0;

  constructor(settings: OcrSettings) {
    this.#settings = settings;
    this.#until = performance.now() + settings.ms;
  }

  /** @param width of the page, in points @returns lines from the top to the bottom; none where there is no text */
  async lines(images: readonly GreyImage[], width: number): Promise<Line[]> {
    if (images.length === 0) return [];
    const left = this.#until - performance.now();
    if (this.#pages >= this.#settings.mostPages || left <= 0) {
      this.skipped += 1;
      return [];
    }
    this.#pages += 1;
    const worker = await open(this.#settings);
    const lines: Line[] = [];
    let above = 0;
    for (const image of images) {
      const scale = width / image.width;
      const { data } = await worker.recognize(graymap(image), {}, { blocks: true, text: false });
      for (const block of data.blocks ?? []) {
        for (const line of block.paragraphs.flatMap((paragraph) => paragraph.lines)) {
          const text = line.text.replaceAll(/\s+/g, ' ').trim();
          if (text === '' || line.confidence < leastConfidence) continue;
          const { x0, x1, y1 } = line.bbox;
          const size = line.rowAttributes.rowHeight * scale;
          const made = lineOf([{ text, x: x0 * scale, right: x1 * scale }], size, -(above + y1 * scale));
          if (made) lines.push(made);
        }
      }
      above += image.height * scale;
    }
    return lines;
  }
}

async function open({ languages }: OcrSettings): Promise<Tesseract.Worker> {
  const names = languages.join('+');
  if (kept?.languages !== names) {
    const before = await kept?.worker.catch(() => undefined);
    await before?.terminate();
    kept = { languages: names, worker: start(languages) };
    kept.worker.catch(() => (kept = undefined));
  }
  return kept.worker;
}

async function start(languages: readonly string[]): Promise<Tesseract.Worker> {
  const tesseract = require('tesseract.js') as typeof Tesseract;
  // One folder for all languages, whose packages have one each.
  const langPath = await mkdtemp(join(tmpdir(), 'block-attention-ocr-'));
  try {
    for (const language of languages) {
      const file = `${language}.traineddata.gz`;
      const folder = dirname(require.resolve(`${languagePackage(language)}/package.json`));
      await copyFile(join(folder, '4.0.0_best_int', file), join(langPath, file));
    }
    // Without a cache: it would be written into the working folder.
    const quiet = { cacheMethod: 'none', errorHandler: () => undefined };
    const worker = await tesseract.createWorker([...languages], tesseract.OEM.LSTM_ONLY, { ...quiet, langPath });
    await worker.setParameters({ tessedit_pageseg_mode: tesseract.PSM.AUTO });
    return worker;
  } finally {
    await rm(langPath, { recursive: true, force: true });
  }
}

/** As PGM, which needs no encoder. */
function graymap({ width, height, pixels }: GreyImage): Buffer {
  return Buffer.concat([Buffer.from(`P5\n${width} ${height}\n255\n`, 'latin1'), pixels]);
}
