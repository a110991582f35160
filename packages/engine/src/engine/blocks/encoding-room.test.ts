import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { EncodingRoom } from './encoding-room.ts';

const first = { group: '', priority: 0 };
const turn = () => new Promise<void>((resolve) => setImmediate(resolve));

describe('room for blocks being encoded', () => {
  it('is never exceeded, and everybody gets in', async () => {
    const block = fc.record({ tokens: fc.integer({ min: 1, max: 12 }), priority: fc.integer({ min: 0, max: 2 }) });
    await fc.assert(
      fc.asyncProperty(fc.array(block, { minLength: 1, maxLength: 30 }), async (blocks) => {
        const room = new EncodingRoom(10);
        let inside = 0;
        let done = 0;
        await Promise.all(
          blocks.map(async ({ tokens, priority }, i) => {
            const leave = await room.enter(tokens, { group: String(i % 3), priority });
            inside += Math.min(tokens, 10);
            expect(inside).toBeLessThanOrEqual(10);
            await turn();
            inside -= Math.min(tokens, 10);
            done += 1;
            leave();
            leave();
          }),
        );
        expect(done).toBe(blocks.length);
      }),
      { numRuns: 50 },
    );
  });

  it('goes to the more urgent of one group, and to groups in equal shares', async () => {
    const room = new EncodingRoom(4);
    const leave = await room.enter(4, first);
    const order: string[] = [];
    const wait = async (name: string, group: string, priority: number) => {
      const out = await room.enter(4, { group, priority });
      order.push(name);
      out();
    };
    await Promise.all([
      wait('a1', 'a', 0),
      wait('a2', 'a', 0),
      wait('a urgent', 'a', 1),
      wait('b1', 'b', 0),
      wait('b2', 'b', 0),
      turn().then(leave),
    ]);
    expect(order).toEqual(['a urgent', 'b1', 'a1', 'b2', 'a2']);
  });

  it('is not entered by who gives up', async () => {
    const room = new EncodingRoom(4);
    const leave = await room.enter(4, first);
    const aborted = new AbortController();
    const refused = room.enter(2, { ...first, signal: aborted.signal });
    const behind = room.enter(4, first);
    aborted.abort();
    await expect(refused).rejects.toMatchObject({ code: 'ABORTED' });
    await expect(room.enter(1, { ...first, signal: aborted.signal })).rejects.toMatchObject({ code: 'ABORTED' });
    leave();
    (await behind)();
  });
});
