import { mkdirSync, mkdtempSync, realpathSync, rmSync, symlinkSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, onTestFinished } from 'vitest';
import { pdfOf } from '../testing/pdf.ts';
import { ParserProcess } from './parser-process.ts';

let root: string;
beforeEach(() => {
  root = realpathSync(mkdtempSync(join(tmpdir(), 'block-attention-parse-')));
});
afterEach(() => rmSync(root, { recursive: true, force: true }));

function put(name: string, content: string | Uint8Array): string {
  const path = join(root, name);
  writeFileSync(path, content);
  return path;
}

const maxBytes = 2 ** 20;

describe('the parsing process', () => {
  it('parses, tells what has not changed, and says why not', async () => {
    await using parser = new ParserProcess();
    const path = put('a.md', '# A\n\nText.');
    const reply = await parser.parse({ root, path, maxBytes });
    expect(reply).toMatchObject({ kind: 'document', document: { title: 'A' } });
    const { digest: knownDigest } = reply;
    expect(await parser.parse({ root, path, maxBytes, knownDigest })).toEqual({
      kind: 'unchanged',
      digest: knownDigest,
    });
    const junk = await parser.parse({ root, path: put('b.txt', Buffer.alloc(100)), maxBytes });
    expect(junk).toMatchObject({ kind: 'unreadable', reason: 'it is binary data, not text' });
    const gone = await parser.parse({ root, path: join(root, 'none.md'), maxBytes });
    expect(gone).toMatchObject({ kind: 'unreadable', reason: 'it cannot be opened: ENOENT' });
  });

  it('opens nothing outside the folder, whatever was put in its place', async () => {
    await using parser = new ParserProcess();
    const outside = mkdtempSync(join(tmpdir(), 'block-attention-outside-'));
    onTestFinished(() => rmSync(outside, { recursive: true, force: true }));
    writeFileSync(join(outside, 'secret.md'), 'secret');
    symlinkSync(join(outside, 'secret.md'), join(root, 'a.md'));
    symlinkSync(outside, join(root, 'sub'));
    mkdirSync(join(root, 'folder.md'));
    for (const path of ['a.md', 'sub/secret.md', '../x/../../etc/hostname', 'folder.md']) {
      const reply = await parser.parse({ root, path: join(root, path), maxBytes });
      expect(reply).toMatchObject({ kind: 'unreadable', digest: undefined });
    }
  });

  it('ends with a file that takes too long, and goes on with the next', async () => {
    await using parser = new ParserProcess({ parseMs: 1500 });
    const path = put('deep.html', '<div>'.repeat(150_000));
    expect(await parser.parse({ root, path, maxBytes })).toMatchObject({
      kind: 'unreadable',
      reason: 'parsing it takes longer than 1.5 s',
    });
    expect(await parser.parse({ root, path: put('a.md', 'next'), maxBytes })).toMatchObject({ kind: 'document' });
  });

  it('ends with a file that takes too much memory, and goes on with the next', async () => {
    await using parser = new ParserProcess({ parserBytes: 350 * 2 ** 20 });
    // Sparse: reading it is what takes memory.
    const path = put('big.txt', '');
    truncateSync(path, 600 * 2 ** 20);
    expect(await parser.parse({ root, path, maxBytes: 2 ** 30 })).toMatchObject({
      kind: 'unreadable',
      reason: expect.stringContaining('memory'),
    });
    const pdf = put('a.pdf', pdfOf([[{ text: 'Next.' }]]));
    expect(await parser.parse({ root, path: pdf, maxBytes })).toMatchObject({ kind: 'document' });
  });
});
