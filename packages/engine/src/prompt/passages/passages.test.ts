import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { beforeEach, describe, expect, it, onTestFinished } from 'vitest';
import { readPassages } from './passages.ts';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'block-attention-passages-'));
  return () => rmSync(folder, { recursive: true, force: true });
});

function put(name: string, content: string | Uint8Array): string {
  const path = join(folder, name);
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, content);
  return path;
}

async function* chunked(text: string | Uint8Array, size: number) {
  const bytes = Buffer.from(text);
  for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size);
}

const refused = (message: RegExp) =>
  expect.objectContaining({ code: 'INVALID_PASSAGES', message: expect.stringMatching(message) });

describe('JSON lines', () => {
  it('reads fields, ignores others and blank lines, a byte order mark and Windows line ends', async () => {
    const path = put(
      'p.jsonl',
      '\uFEFF{"id":"a","title":"T","text":" x ","score":1}\r\n\n{"text":"é\\n😀","id":7,"title":null}\n{"text":"z","previous":{"title":"T","text":" x "}}\n',
    );
    expect(await readPassages(path)).toEqual([
      { id: 'a', title: 'T', text: ' x ' },
      { id: '7', text: 'é\n😀' },
      { text: 'z', previous: { title: 'T', text: ' x' } },
    ]);
  });

  it.each([1, 2, 3, 7, 1000])('reads standard input in pieces of %d bytes', async (size) => {
    const stdin = chunked('{"text":"é漢😀"}\n\n{"text":"b"}', size);
    expect(await readPassages('-', { stdin })).toEqual([{ text: 'é漢😀' }, { text: 'b' }]);
  });

  it.each([
    ['no JSON', '{"text":"a"}\n{"text":', /p\.jsonl:2 is not JSON/],
    ['no object', '["a"]', /p\.jsonl:1 is not an object/],
    ['null', 'null', /p\.jsonl:1 is not an object/],
    ['no text', '{"id":"a"}', /p\.jsonl:1: field "text" is undefined/],
    ['a text that is none', '{"text":5}', /p\.jsonl:1: field "text" is number/],
    ['a blank text', '\n{"text":" \\n"}', /p\.jsonl:2: field "text" is empty/],
    ['a title that is none', '{"text":"a","title":["b"]}', /p\.jsonl:1: field "title" is object/],
    ['an id that is none', '{"text":"a","id":{}}', /p\.jsonl:1: field "id" is object/],
    ['what stands before as text', '{"text":"a","previous":"b"}', /p\.jsonl:1: field "previous" is not an object/],
    [
      'what stands before without text',
      '{"text":"a","previous":{}}',
      /p\.jsonl:1: field "previous"\.text is undefined/,
    ],
    ['half a character', '{"text":"a\\ud800"}', /p\.jsonl:1: field "text" is not well-formed/],
    ['other encodings', Buffer.from('{"text":"a"}\n{"text":"\xe9"}', 'latin1'), /p\.jsonl:2 is not UTF-8/],
    ['nothing', '\n', /p\.jsonl holds no passages/],
  ])('refuses %s, naming file and line', async (_, content, message) => {
    await expect(readPassages(put('p.jsonl', content))).rejects.toThrow(refused(message));
  });

  it('names standard input', async () => {
    await expect(readPassages('-', { stdin: chunked('{', 9) })).rejects.toThrow(refused(/^stdin:1 is not JSON/));
    await expect(readPassages('-', { stdin: chunked('', 9) })).rejects.toThrow(refused(/standard input holds no/));
  });

  it('stops at the limits, in the middle of a line', async () => {
    async function* endless() {
      for (;;) yield Buffer.alloc(1000, 'x');
    }
    await expect(readPassages('-', { stdin: endless(), maxPassageBytes: 5000 })).rejects.toThrow(
      refused(/^stdin:1 is longer than 5000 bytes/),
    );
    await expect(readPassages('-', { stdin: endless(), maxTotalBytes: 5000 })).rejects.toThrow(
      refused(/^stdin is longer than 5000 bytes/),
    );
    await expect(readPassages('-', { stdin: endless(), maxTotalBytes: Number.NaN })).rejects.toThrow(
      expect.objectContaining({ code: 'INVALID_ARGUMENT' }),
    );
  });

  it('announces ids that occur twice', async () => {
    const warnings: string[] = [];
    const path = put('p.jsonl', '{"id":"a","text":"1"}\n{"id":"a","text":"2"}\n{"text":"3"}\n{"text":"3"}');
    expect(await readPassages(path, { onWarning: (message) => warnings.push(message) })).toHaveLength(4);
    expect(warnings).toEqual(['several passages share the id "a": reports cannot tell them apart']);
  });
});

describe('a folder', () => {
  it('gives its text files, sorted, with path and stem', async () => {
    put('b.txt', '\uFEFFbee');
    put('a/c.d.md', 'see');
    put('a/Z.MD', 'zed');
    put('image.png', Buffer.of(0xff, 0));
    put('.hidden/x.txt', 'no');
    put('.x.txt', 'no');
    expect(await readPassages(folder)).toEqual([
      { id: 'a/Z.MD', title: 'Z', text: 'zed' },
      { id: 'a/c.d.md', title: 'c.d', text: 'see' },
      { id: 'b.txt', title: 'b', text: 'bee' },
    ]);
  });

  it('follows links inside, in circles too, and leaves out those that lead away', async () => {
    const outside = mkdtempSync(join(tmpdir(), 'block-attention-outside-'));
    onTestFinished(() => rmSync(outside, { recursive: true, force: true }));
    writeFileSync(join(outside, 'secret.txt'), 'secret');
    put('in/a.txt', 'a');
    symlinkSync(join(folder, 'in'), join(folder, 'in', 'loop'));
    symlinkSync(join(folder, 'in', 'a.txt'), join(folder, 'same.txt'));
    symlinkSync(outside, join(folder, 'away'));
    symlinkSync(join(outside, 'secret.txt'), join(folder, 'away.txt'));
    symlinkSync(join(folder, 'nowhere'), join(folder, 'broken.txt'));
    const warnings: string[] = [];
    const passages = await readPassages(folder, { onWarning: (message) => warnings.push(message) });
    expect(passages.map(({ id, title, text }) => [id, title, text])).toEqual([
      ['in/a.txt', 'a', 'a'],
      ['same.txt', 'same', 'a'],
    ]);
    expect(warnings.sort()).toEqual([
      'away is a link to outside the folder: left out',
      'away.txt is a link to outside the folder: left out',
      'broken.txt is a link to nowhere: left out',
    ]);
  });

  it.each([
    ['a binary file', Buffer.from('a\0b'), /x\.txt is a binary file/],
    ['another encoding', Buffer.of(0x61, 0xe9), /x\.txt is not UTF-8/],
    ['an empty file', '\n', /x\.txt is empty/],
    ['a huge file', 'a'.repeat(101), /x\.txt has 101 bytes, more than 100/],
  ])('refuses %s by name', async (_, content, message) => {
    put('sub/x.txt', content);
    await expect(readPassages(folder, { maxPassageBytes: 100 })).rejects.toThrow(refused(message));
  });

  it('refuses more than the total, and a folder without text', async () => {
    await expect(readPassages(folder)).rejects.toThrow(refused(/holds no passages/));
    put('a.txt', 'aaaa');
    put('b.txt', 'bbbb');
    await expect(readPassages(folder, { maxTotalBytes: 7 })).rejects.toThrow(refused(/longer than 7 bytes together/));
  });

  it.skipIf(process.platform === 'win32')('does not wait for a pipe', async () => {
    spawnSync('mkfifo', [join(folder, 'pipe.txt')]);
    await expect(readPassages(folder)).rejects.toThrow(refused(/pipe\.txt is not an ordinary file/));
  });
});

describe('a source that is none', () => {
  it.each([['missing.jsonl'], ['a\0b'], ['']])('%j', async (name) => {
    await expect(readPassages(name === '' ? '' : join(folder, name))).rejects.toThrow(refused(/cannot be read from/));
  });
});
