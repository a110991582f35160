import { expect, it } from 'vitest';
import { OtherFiles } from './other-files.ts';

it('counts files by their ending, the commonest first', () => {
  const files = new OtherFiles();
  for (const path of [
    'a.docx',
    'b/B.DOCX',
    'c.xlsx',
    'd.png',
    'e',
    'f.2026 final version (old)',
    '.g',
    'h.\u001b[31mx',
  ]) {
    files.add(path);
  }
  expect(files.counts()).toEqual({ total: 8, endings: { '': 4, '.docx': 2, '.png': 1, '.xlsx': 1 } });
  expect(new OtherFiles().counts()).toEqual({ total: 0, endings: {} });
});
