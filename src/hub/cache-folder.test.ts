import { join, resolve } from 'node:path';
import { describe, expect, it } from 'vitest';
import { cacheFolder } from '../../packages/engine/src/platform/cache-folder.ts';
import { entryFolder, modelFileName, modelsFolder } from './cache-folder.ts';
import { parseModelReference } from './reference.ts';

describe('cacheFolder', () => {
  it.each<[Record<string, string>, NodeJS.Platform, string]>([
    [{ BLOCK_ATTENTION_CACHE: '/big', XDG_CACHE_HOME: '/xdg', HOME: '/h' }, 'linux', '/big'],
    [{ XDG_CACHE_HOME: '/xdg', HOME: '/h' }, 'linux', '/xdg/block-attention'],
    [{ HOME: '/h' }, 'linux', '/h/.cache/block-attention'],
    [{ HOME: '/h', XDG_CACHE_HOME: '' }, 'darwin', '/h/Library/Caches/block-attention'],
    [{ LOCALAPPDATA: '/l', USERPROFILE: '/u' }, 'win32', '/l/block-attention'],
    [{ USERPROFILE: '/u' }, 'win32', '/u/AppData/Local/block-attention'],
  ])('follows %j on %s', (env, platform, wanted) => {
    expect(cacheFolder(env, platform)).toBe(join(wanted));
  });

  it('keeps models below it, and below a folder that is given', () => {
    expect(modelsFolder({ env: { BLOCK_ATTENTION_CACHE: '/big' } })).toBe(join('/big', 'models'));
    expect(modelsFolder({ cacheDir: 'mine', env: { BLOCK_ATTENTION_CACHE: '/big' } })).toBe(resolve('mine', 'models'));
  });
});

describe('entryFolder', () => {
  const folderOf = (text: string): string => {
    const reference = parseModelReference(text);
    if (reference.kind === 'alias' || reference.kind === 'path') throw new Error(text);
    return entryFolder('/m', reference);
  };

  it('is readable, and different for everything that differs', () => {
    const texts = [
      'hf:o/r/x.gguf',
      'hf:o/R/x.gguf',
      'hf:o/r/x.gguf@v2',
      `hf:o/r/x.gguf#sha256=${'0'.repeat(64)}`,
      'hf:o/r/d/x.gguf',
      'https://h/x.gguf',
      'https://h/x.gguf?v=2',
      'pypi:x==1',
      'pypi:x==1.0',
    ];
    const folders = texts.map(folderOf);
    expect(new Set(folders.map((folder) => folder.toLowerCase())).size).toBe(texts.length);
    expect(folders[0]).toMatch(/^\/m\/hub\/o-x\.gguf-[0-9a-f]{12}$/);
    expect(folders[7]).toMatch(/^\/m\/pypi\/x-1-[0-9a-f]{12}$/);
  });

  it('has no name that a file system reads as something else', () => {
    for (const text of ['https://h/..%2f..%2fx.gguf', 'https://h/a:b*c?d=<>|', `https://h/${'é'.repeat(300)}.gguf`]) {
      expect(folderOf(text).slice('/m/url/'.length)).toMatch(/^[A-Za-z0-9][A-Za-z0-9._-]{0,100}$/);
    }
  });
});

describe('modelFileName', () => {
  it.each([
    ['a/b/Model.Q4_1.GGUF', 'Model.Q4_1.gguf'],
    ['../../..', 'model.gguf'],
    ['', 'model.gguf'],
    ['.hidden.gguf', 'hidden.gguf'],
    ['-rf .gguf', 'rf.gguf'],
    [`${'x'.repeat(400)}.gguf`, `${'x'.repeat(100)}.gguf`],
  ])('names %j %s', (name, wanted) => {
    expect(modelFileName(name)).toBe(wanted);
  });
});
