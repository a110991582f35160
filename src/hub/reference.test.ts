import { describe, expect, it } from 'vitest';
import { modelAliases } from './aliases.ts';
import { describeReference, formatModelReference, parseModelReference } from './reference.ts';

const sha256 = 'AB'.repeat(32);
const hub = { kind: 'hub', owner: 'own.er', repo: 'Re_po-GGUF', file: 'a/b.Q4_1.gguf', revision: 'main' };

describe('parseModelReference', () => {
  it.each([
    ['smollm2-135m', { kind: 'alias', name: 'smollm2-135m' }],
    ['hf:own.er/Re_po-GGUF/a/b.Q4_1.gguf', hub],
    ['hf:own.er/Re_po-GGUF/a/b.Q4_1.gguf@refs/pr/1', { ...hub, revision: 'refs/pr/1' }],
    [`hf:own.er/Re_po-GGUF/a/b.Q4_1.gguf#sha256=${sha256}`, { ...hub, sha256: sha256.toLowerCase() }],
    ['https://huggingface.co/own.er/Re_po-GGUF/blob/main/a/b.Q4_1.gguf', hub],
    ['https://huggingface.co/own.er/Re_po-GGUF/resolve/v%2F1/a/b.Q4_1.gguf?download=true', { ...hub, revision: 'v/1' }],
    ['http://10.0.0.1:8000/x.gguf?sig=1', { kind: 'url', url: 'http://10.0.0.1:8000/x.gguf?sig=1' }],
    [`HTTPS://h/x.gguf#sha256=${sha256}`, { kind: 'url', url: 'https://h/x.gguf', sha256: sha256.toLowerCase() }],
    ['pypi:Tiny_Model.x==1.0.post1', { kind: 'pypi', package: 'tiny-model-x', version: '1.0.post1' }],
    ['./smollm2-135m', { kind: 'path', path: './smollm2-135m' }],
    ['C:\\models\\x.gguf', { kind: 'path', path: 'C:\\models\\x.gguf' }],
    ['/m/with space.gguf', { kind: 'path', path: '/m/with space.gguf' }],
    ['toString', { kind: 'path', path: 'toString' }],
    ['file:///m/x%20y.gguf', { kind: 'path', path: '/m/x y.gguf' }],
  ])('reads %s', (text, wanted) => {
    expect(parseModelReference(text)).toEqual(wanted);
  });

  it.each([
    '',
    '  ',
    'a\0b',
    'ftp://h/x.gguf',
    'hf:owner/x.gguf',
    'hf:owner/repo/x.bin',
    'hf:../repo/x.gguf',
    'hf:owner/repo/../../x.gguf',
    'hf:owner/repo/a/./x.gguf',
    'hf:owner/repo/x.gguf@../..',
    'hf:owner/repo/x-00002-of-00003.gguf',
    'https://host/x-00001-of-00000.gguf',
    'hf:owner/repo/x-00001-of-09999.gguf',
    'https://',
    'https://huggingface.co/a/b/resolve/%zz/x.gguf',
    'https://h/x.gguf#sha256=12',
    'https://h/x.gguf#other',
    'pypi:package',
    'pypi:package==',
    'pypi:--index-url==1',
    'pypi:a b==1',
    'pypi:a==1==2',
    'pypi:a==1 --pre',
    'pypi:https://h==1',
  ])('refuses %j with a code', (text) => {
    expect(() => parseModelReference(text)).toThrow(expect.objectContaining({ code: 'INVALID_ARGUMENT' }));
  });

  it('never repeats a password', () => {
    for (const text of ['https://me:hunter2@h/x.gguf', 'ftp://me:hunter2@h/x', 'https://h:x/?token=hunter2']) {
      expect(() => parseModelReference(text)).toThrow(
        expect.objectContaining({ message: expect.not.stringContaining('hunter2') }),
      );
    }
  });
});

describe('formatModelReference', () => {
  it.each([
    'smollm2-135m',
    'hf:o/r/x.gguf',
    `hf:o/r/x.gguf@abc#sha256=${'0'.repeat(64)}`,
    'https://h/x.gguf?a=b',
    'pypi:p==1',
    'some/path.gguf',
  ])('gives back %s', (text) => {
    expect(formatModelReference(parseModelReference(text))).toBe(text);
  });

  it('leaves the query of a URL to machines', () => {
    const reference = parseModelReference('https://h/x.gguf?signature=1');
    expect(reference.kind === 'url' && describeReference(reference)).toBe('https://h/x.gguf');
  });
});

describe('modelAliases', () => {
  it('names references that can be fetched, and pins the bytes wherever there is a choice', () => {
    for (const [name, { sources }] of Object.entries(modelAliases)) {
      const pins = sources.map((text) => {
        const source = parseModelReference(text);
        expect(['hub', 'url', 'pypi'], `${name}: ${text}`).toContain(source.kind);
        return 'sha256' in source ? source.sha256 : undefined;
      });
      if (sources.length > 1) {
        expect(new Set(pins).size, name).toBe(1);
        expect(pins[0], name).toBeDefined();
      }
    }
  });
});
