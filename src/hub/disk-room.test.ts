import { tmpdir } from 'node:os';
import { describe, expect, it } from 'vitest';
import { ensureRoom } from './disk-room.ts';

describe('ensureRoom', () => {
  it('refuses more than any disk holds and takes what fits', async () => {
    await expect(ensureRoom(tmpdir(), 1e18)).rejects.toMatchObject({ code: 'DISK_FULL' });
    await ensureRoom(tmpdir(), 1);
    await ensureRoom('/no/such/folder', -1);
  });
});
