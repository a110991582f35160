import { expect, it } from 'vitest';
import { openVocabulary } from '../testing/open-family.ts';
import { promptVersion } from './prompt-version.ts';

it('tells tokenizers and templates apart, and is the same for the same', async () => {
  const spec = { controls: ['<s>', '</s>'], addBos: true };
  const versions: string[] = [];
  for (const other of [
    spec,
    { ...spec, addBos: false },
    { ...spec, chatTemplate: 'x' },
    { ...spec, controls: ['<s>', '</s>', '<|x|>'] },
  ]) {
    versions.push(promptVersion(await openVocabulary(other)));
  }
  expect(new Set(versions).size).toBe(4);
  expect(versions[0]).toMatch(/^prompt-1-[0-9a-f]{16}$/);
  expect(promptVersion(await openVocabulary(spec))).toBe(versions[0]);
});
