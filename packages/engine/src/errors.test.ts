import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { BlockAttentionError, errorCodes } from './errors.ts';

describe('the error registry', () => {
  it('is what docs/errors.md says', () => {
    const page = readFileSync(new URL('../../../docs/errors.md', import.meta.url), 'utf8');
    const rows = [...page.matchAll(/^\| `([A-Z_]+)` \| (\d+) \| (.+?) \| (.+?) \|$/gm)];
    const documented = rows.map(([, code, status, summary]) => ({ code, status: Number(status), summary }));
    const registered = Object.entries(errorCodes).map(([code, { status, summary }]) => ({ code, status, summary }));
    expect(documented).toEqual(registered);
  });

  it('recognises its errors across installs, and nothing else', () => {
    const error = new BlockAttentionError('ABORTED', 'stopped', { cause: 1 });
    expect(error).toMatchObject({ code: 'ABORTED', status: 499, message: 'stopped', cause: 1 });
    expect(BlockAttentionError.isInstance(error)).toBe(true);
    for (const other of [new Error('x'), null, undefined, 'ABORTED', { code: 'ABORTED' }]) {
      expect(BlockAttentionError.isInstance(other)).toBe(false);
    }
  });
});
