import { readdirSync } from 'node:fs';
import { openTokenCounter } from '@block-attention/engine/internal/engine';
import { afterAll, describe, expect, it } from 'vitest';
import { Corpus } from '../../testing/corpus.ts';
import { pdfOf } from '../../testing/pdf.ts';
import { scannedPdf, scannedText } from '../../testing/scan.ts';
import { ocrSettings } from '../ocr-engine.ts';
import { ParserProcess } from '../parser-process.ts';

const ocr = ocrSettings('eng');
const corpora: Corpus[] = [];
afterAll(() => {
  for (const corpus of corpora) corpus[Symbol.dispose]();
});

async function folder(files: Readonly<Record<string, Buffer>>): Promise<Corpus> {
  const corpus = await Corpus.make(files);
  corpora.push(corpus);
  return corpus;
}

describe('scanned pages', () => {
  it('are read where that is asked for, as pictures and as masks, in the parser’s process', async () => {
    const corpus = await folder({
      'scan.pdf': scannedPdf(),
      'mask.pdf': scannedPdf(1, { mask: true }),
      'words.pdf': pdfOf([[{ text: 'Words that stand there.' }]]),
    });
    await using parser = new ParserProcess();
    const parse = (name: string, how = {}) =>
      parser.parse({ root: corpus.docs, path: `${corpus.docs}/${name}`, maxBytes: 2 ** 20, ...how });
    expect(await parse('scan.pdf')).toMatchObject({
      kind: 'unreadable',
      code: 'EMPTY',
      reason: expect.stringContaining('--ocr'),
    });
    for (const name of ['scan.pdf', 'mask.pdf']) {
      const reply = await parse(name, { ocr });
      if (reply.kind !== 'document') throw new Error(JSON.stringify(reply));
      const { sections, notes } = reply.document;
      expect(sections.flatMap(({ trail }) => trail)).toEqual([scannedText.heading]);
      expect(sections.flatMap(({ units }) => units.map(({ text, page }) => [text, page]))).toEqual(
        scannedText.paragraphs.map((text) => [text, 1]),
      );
      expect(notes).toEqual(['text of 1 of 1 pages was recognised in pictures: 1']);
    }
    const words = await parse('words.pdf', { ocr });
    expect(words).toMatchObject({ kind: 'document', document: { notes: [] } });
    // Nothing is written where it runs.
    expect(readdirSync('.').filter((name) => name.endsWith('.traineddata'))).toEqual([]);
  });

  it('are bounded by number and time', async () => {
    const corpus = await folder({ 'many.pdf': scannedPdf(3) });
    await using parser = new ParserProcess();
    const request = { root: corpus.docs, path: `${corpus.docs}/many.pdf`, maxBytes: 2 ** 20 };
    const few = await parser.parse({ ...request, ocr: { ...ocr, mostPages: 1 } });
    expect(few.kind === 'document' && few.document.notes).toEqual([
      'text of 1 of 3 pages was recognised in pictures: 1',
      '2 scanned pages were not looked at: they are too many, or take too long',
      '2 of 3 pages have no text (scanned?): 2, 3',
    ]);
    const none = await parser.parse({ ...request, ocr: { ...ocr, ms: 0 } });
    expect(none).toMatchObject({
      kind: 'unreadable',
      code: 'EMPTY',
      reason: expect.stringContaining('3 scanned pages'),
    });
  });

  it('are found in an index that was made without, once it is told to read them, and from then on', async () => {
    const corpus = await folder({ 'scan.pdf': scannedPdf() });
    using tokenizer = await openTokenCounter(corpus.model);
    await using index = await corpus.openIndex();
    const first = await index.update(corpus.docs, { tokenizer });
    expect(first.files).toMatchObject({ total: 0, skipped: [{ code: 'EMPTY' }] });
    const second = await index.update(corpus.docs, { tokenizer, ocr: 'eng' });
    expect(second.files).toMatchObject({ total: 1, skipped: [] });
    const [hit] = await index.search('ticket crowns');
    expect(hit?.chunk).toMatchObject({
      path: 'scan.pdf',
      page: 1,
      title: expect.stringContaining('The ferry of Tessen'),
    });
    corpus.put('other.pdf', scannedPdf());
    expect((await index.update(corpus.docs, { tokenizer })).files).toMatchObject({ total: 2, unchanged: 1, added: 1 });
    await expect(index.update(corpus.docs, { tokenizer, ocr: 'tlh' })).rejects.toMatchObject({
      code: 'BACKEND_UNAVAILABLE',
      message: expect.stringContaining('npm install @tesseract.js-data/tlh'),
    });
    await expect(index.update(corpus.docs, { tokenizer, ocr: '../x' })).rejects.toMatchObject({
      code: 'INVALID_ARGUMENT',
    });
  });
});
