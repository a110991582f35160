/** Files of Office and their like in an index: found, cited by a place in them, left out with a code. */
import { join } from 'node:path';
import { openTokenCounter } from '@block-attention/engine/internal/engine';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Corpus } from '../testing/corpus.ts';
import { docxOf, epubOf, pptxOf, xlsxOf } from '../testing/office.ts';
import type { DocumentIndex } from './document-index.ts';
import { lance } from './lance.ts';

describe('an index of a folder of many kinds', () => {
  let corpus: Corpus;
  let index: DocumentIndex;
  let tokenizer: Awaited<ReturnType<typeof openTokenCounter>>;
  beforeAll(async () => {
    corpus = await Corpus.make({
      'handbook.docx': docxOf([['heading 1', 'Moorings'], 'The eastern mooring is for yachts.']),
      'prices.xlsx': xlsxOf({
        'Spring sale': [
          ['Item', 'Price', 'Since'],
          ['Anchor', 12, '2024'],
        ],
      }),
      'deck.pptx': pptxOf([{ title: 'Start' }, { title: 'Dredging', paragraphs: ['The basin is dredged in May.'] }]),
      'sea.epub': epubOf('The sea', { 'The storm: a tale': '<p>The lighthouse went dark.' }),
      'study.ipynb': JSON.stringify({ cells: [{ cell_type: 'markdown', source: 'Tides are measured hourly.' }] }),
      'letter.eml': 'From: ida@example.org\nSubject: Ferry\n\nThe ferry leaves at noon.\n',
      'note.rtf': String.raw`{\rtf1 The crane lifts forty tonnes.\par}`,
      'log.jsonl': '{"event":"buoy replaced","place":"north"}\n',
      'broken.docx': 'x',
      'empty.xlsx': '',
      'blank.pptx': pptxOf([{}]),
      'secret.docx': Buffer.concat([
        Buffer.from('d0cf11e0a1b11ae1', 'hex'),
        Buffer.from('EncryptedPackage', 'utf16le'),
      ]),
      'plain.md': '# Plain\n\nThe office opens at eight.\n',
    });
    tokenizer = await openTokenCounter(corpus.model);
    index = await corpus.openIndex();
  });
  afterAll(async () => {
    await index.close();
    tokenizer[Symbol.dispose]();
    corpus[Symbol.dispose]();
  });

  it('goes on past those that cannot be read, and says which and why', async () => {
    const { files } = await index.update(corpus.docs, { tokenizer });
    expect(files.total).toBe(9);
    const skipped = [
      ['blank.pptx', 'EMPTY'],
      ['broken.docx', 'DAMAGED'],
      ['empty.xlsx', 'EMPTY'],
      ['secret.docx', 'ENCRYPTED'],
    ];
    expect(files.skipped.map(({ path, code }) => [path, code])).toEqual(skipped);
    const again = await index.update(corpus.docs, { tokenizer });
    expect(again.files).toMatchObject({ unchanged: 9, added: 0, changed: 0 });
    expect(again.files.skipped.map(({ path, code }) => [path, code])).toEqual(skipped);
  });

  it.each([
    ['eastern mooring', 'handbook.docx:2', 'handbook › Moorings'],
    ['anchor price', 'prices.xlsx:Spring sale:2', 'prices › Spring sale'],
    ['basin dredged', 'deck.pptx:slide 2:1', 'deck › Dredging'],
    ['lighthouse dark', 'sea.epub:The storm a tale:2', 'The sea › The storm: a tale'],
    ['tides measured', 'study.ipynb:cell 1:1', 'study'],
    ['ferry leaves', 'letter.eml:1', 'Ferry'],
    ['crane lifts', 'note.rtf:1', 'note'],
    ['buoy replaced', 'log.jsonl:1', 'log.jsonl'],
  ])('finds %s', async (question, source, title) => {
    const [hit] = await index.search(question, { top: 1 });
    expect(hit?.chunk).toMatchObject({ source, title });
  });

  it('searches by type', async () => {
    const hits = await index.search('basin lighthouse crane anchor', { types: ['slides', 'book'] });
    expect(new Set(hits.map(({ chunk }) => chunk.type))).toEqual(new Set(['slides', 'book']));
    const [hit] = await index.search('basin dredged anchor', { types: ['sheet'] });
    expect(hit?.chunk).toMatchObject({ type: 'sheet', place: 'Spring sale' });
  });

  it('takes over the table of a version that knew no places', async () => {
    await index.close();
    const { connect } = await lance();
    const connection = await connect(join(corpus.index, 'tables'));
    await (await connection.openTable('chunks')).dropColumns(['place']);
    connection.close();
    index = await corpus.openIndex();
    const [before] = await index.search('basin dredged', { top: 1 });
    expect(before?.chunk.source).toBe('deck.pptx:1');
    corpus.put('deck.pptx', pptxOf([{ title: 'Dredging', paragraphs: ['The basin is dredged in June.'] }]));
    await index.update(corpus.docs, { tokenizer });
    const [hit] = await index.search('basin dredged', { top: 1 });
    expect(hit?.chunk.source).toBe('deck.pptx:slide 1:1');
  });
});
