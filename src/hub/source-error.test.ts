import { tmpdir } from 'node:os';
import { describe, expect, it } from 'vitest';
import { ensureRoom } from './disk-room.ts';
import { diskError } from './source-error.ts';

const failure = (code: string): Error => Object.assign(new Error(code), { code });

describe('diskError', () => {
  it('codes a full disk and a cache that cannot be written, and leaves the rest alone', () => {
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

describe('ensureRoom', () => {
  it('refuses more than any disk holds and takes what fits', async () => {
    await expect(ensureRoom(tmpdir(), 1e18)).rejects.toMatchObject({ code: 'DISK_FULL' });
    await ensureRoom(tmpdir(), 1);
    await ensureRoom('/no/such/folder', -1);
  });
});
