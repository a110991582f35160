import { expect, it } from 'vitest';
import { AsyncCleanup, Cleanup } from './cleanup.ts';

it('runs the last step first, each once, and what is used as well', () => {
  const ran: string[] = [];
  const cleanup = new Cleanup();
  {
    using _scope = cleanup;
    cleanup.defer(() => ran.push('first'));
    cleanup.use({ [Symbol.dispose]: () => void ran.push('used') });
    cleanup.defer(() => ran.push('last'));
  }
  cleanup[Symbol.dispose]();
  expect(ran).toEqual(['last', 'used', 'first']);
});

it('runs all steps where one throws, and throws its error', async () => {
  const ran: string[] = [];
  const fill = (cleanup: Cleanup | AsyncCleanup) => {
    for (const name of ['a', 'b', 'c']) {
      cleanup.defer(() => {
        ran.push(name);
        if (name !== 'a') throw new Error(name);
      });
    }
    return cleanup;
  };
  const cleanup = new Cleanup();
  fill(cleanup);
  expect(() => cleanup[Symbol.dispose]()).toThrow('c');
  const later = new AsyncCleanup();
  fill(later);
  await expect(later[Symbol.asyncDispose]()).rejects.toThrow('c');
  expect(ran).toEqual(['c', 'b', 'a', 'c', 'b', 'a']);
});

it('waits for each step, and leaves them to another one that they were moved to', async () => {
  const ran: string[] = [];
  let moved: AsyncCleanup;
  {
    await using cleanup = new AsyncCleanup();
    cleanup.defer(() => void ran.push('first'));
    cleanup.defer(async () => {
      await new Promise((resolve) => setTimeout(resolve, 5));
      ran.push('last');
    });
    moved = cleanup.move();
  }
  expect(ran).toEqual([]);
  await moved[Symbol.asyncDispose]();
  expect(ran).toEqual(['last', 'first']);
});

it('runs a step that comes after it was disposed at once, and refuses it', async () => {
  const ran: string[] = [];
  const cleanup = new Cleanup();
  cleanup[Symbol.dispose]();
  expect(() => cleanup.defer(() => void ran.push('step'))).toThrow(expect.objectContaining({ code: 'DISPOSED' }));
  const used = { [Symbol.dispose]: () => void ran.push('used') };
  expect(() => cleanup.use(used)).toThrow(expect.objectContaining({ code: 'DISPOSED' }));
  const later = new AsyncCleanup();
  await using moved = later.move();
  moved.defer(() => void ran.push('moved'));
  const failing = async () => {
    ran.push('late');
    throw new Error('of nobody');
  };
  expect(() => later.defer(failing)).toThrow(expect.objectContaining({ code: 'DISPOSED' }));
  await moved[Symbol.asyncDispose]();
  expect(() => moved.defer(failing)).toThrow(expect.objectContaining({ code: 'DISPOSED' }));
  expect(ran).toEqual(['step', 'used', 'late', 'moved', 'late']);
});
