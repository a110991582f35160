import { describe, expect, it } from 'vitest';
import { diskError } from './disk-error.ts';

const failure = (code: string): Error => Object.assign(new Error(code), { code });

describe('diskError', () => {
  it('codes a full disk and a folder that cannot be written, and leaves the rest alone', () => {
    expect(diskError(failure('ENOSPC'), '/c')).toMatchObject({ code: 'DISK_FULL', status: 507 });
    expect(diskError(failure('EDQUOT'), '/c')).toMatchObject({ code: 'DISK_FULL' });
    expect(diskError(failure('EROFS'), '/c')).toMatchObject({
      code: 'INVALID_ARGUMENT',
      message: expect.stringMatching(/'\/c' cannot be written \(EROFS\).*BLOCK_ATTENTION_CACHE/),
    });
    const other = failure('EIO');
    expect(diskError(other, '/c')).toBe(other);
    expect(diskError('text', '/c')).toBe('text');
  });
});
