import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type PromptTask, Scheduler } from './scheduler.ts';

type Task = PromptTask<number>;
const prompt = (sequence: number, tokens: number, priority = 0, group = ''): Task => ({
  sequence,
  tokens: new Int32Array(tokens),
  priority,
  group,
});
const token = (sequence: number, group = '') => ({ sequence, token: 0, group });

function make(batchTokens = 8, chunk = 8, busyBatchTokens?: number) {
  return new Scheduler<number, Task, ReturnType<typeof token>>({
    batchTokens,
    busyBatchTokens,
    batchSequences: 4,
    chunkTokens: () => chunk,
    givesToken: ({ priority }) => priority > 0,
  });
}

describe('Scheduler', () => {
  it('packs whole prompts into a batch and cuts long ones', () => {
    const scheduler = make();
    for (const [i, n] of [3, 4, 20, 2].entries()) scheduler.addPrompt(prompt(i, n));
    const batches: string[] = [];
    for (let work = scheduler.next(); work; work = scheduler.next()) {
      if (work.kind === 'prompt')
        batches.push(work.chunks.map((c) => `${c.task.sequence}:${c.first}+${c.count}`).join(' '));
    }
    expect(batches).toMatchInlineSnapshot(`
      [
        "0:0+3 1:0+4 2:0+1",
        "2:1+8",
        "2:9+8",
        "2:17+3 3:0+2",
      ]
    `);
  });

  it('lets who gets a first token wait for few others', () => {
    const scheduler = make(40, 40, 8);
    // Two encodes, five short questions, one long prompt whose answer is waited for.
    for (const i of [0, 1]) scheduler.addPrompt(prompt(i, 12));
    for (const i of [2, 3, 4, 5, 6]) scheduler.addPrompt(prompt(i, 5, 1));
    scheduler.addPrompt(prompt(7, 60, 1));
    const batches: string[] = [];
    for (let work = scheduler.next(); work; work = scheduler.next()) {
      if (work.kind === 'prompt')
        batches.push(work.chunks.map((c) => `${c.task.sequence}:${c.first}+${c.count}`).join(' '));
    }
    expect(batches).toMatchInlineSnapshot(`
      [
        "2:0+5 3:0+5",
        "4:0+5 5:0+5",
        "6:0+5 7:0+35",
        "0:0+12 7:35+25",
        "1:0+12",
      ]
    `);
  });

  it('takes turns between prompts and decoding, and puts answers before encodes', () => {
    const scheduler = make();
    scheduler.addPrompt(prompt(1, 16));
    scheduler.addDecode(token(9));
    scheduler.addPrompt(prompt(2, 4, 1));
    const kinds = [];
    for (let work = scheduler.next(); work; work = scheduler.next()) {
      kinds.push(work.kind === 'prompt' ? work.chunks.map((c) => c.task.sequence).join() : 'decode');
      if (kinds.length === 2) scheduler.addDecode(token(9));
    }
    expect(kinds).toMatchInlineSnapshot(`
      [
        "2,1",
        "decode",
        "1",
        "decode",
        "1",
      ]
    `);
  });

  it('lets those who wait for tokens wait for one short chunk at most, however long a document is', () => {
    const scheduler = make(512, 512, 128);
    scheduler.addPrompt(prompt(1, 10_000));
    scheduler.addDecode(token(2));
    let [between, worst, tokens] = [0, 0, 0];
    for (let work = scheduler.next(); work; work = scheduler.next()) {
      if (work.kind === 'decode') {
        worst = Math.max(worst, between);
        between = 0;
        if (++tokens < 50) scheduler.addDecode(token(2));
      } else between += work.chunks.reduce((sum, { count }) => sum + count, 0);
    }
    expect([worst, tokens]).toEqual([128, 50]);
  });

  it('lets a question pass a long document that is half done', () => {
    const scheduler = make(8, 8);
    scheduler.addPrompt(prompt(1, 80));
    scheduler.next();
    scheduler.addPrompt(prompt(2, 4, 1));
    const work = scheduler.next();
    expect(work?.kind === 'prompt' && work.chunks.map((c) => `${c.task.sequence}+${c.count}`)).toEqual(['2+4', '1+4']);
  });

  it('shares prompts and tokens equally between tenants, whatever each asks for', () => {
    const scheduler = make(8, 8);
    for (let i = 0; i < 40; i++) scheduler.addPrompt(prompt(i, 16, 2, 'greedy'));
    scheduler.addPrompt(prompt(100, 640, 0, 'modest'));
    const shares: Record<string, number> = { greedy: 0, modest: 0 };
    for (let i = 0; i < 64; i++) {
      const work = scheduler.next();
      if (work?.kind !== 'prompt') continue;
      for (const { task, count } of work.chunks) shares[task.group] = (shares[task.group] ?? 0) + count;
    }
    // A batch in four is out of turn.
    expect(Math.abs((shares.greedy ?? 0) - (shares.modest ?? 0))).toBeLessThanOrEqual(16);
    for (let i = 0; i < 9; i++) scheduler.addDecode(token(i, 'greedy'));
    scheduler.addDecode(token(200, 'modest'));
    const work = scheduler.next();
    expect(work?.kind === 'decode' && work.tasks.map(({ sequence }) => sequence)).toEqual([0, 1, 2, 200]);
  });

  it('begins a batch in four with the oldest task, so that encoding ahead ends under any load', () => {
    const scheduler = make(8, 8);
    scheduler.addPrompt(prompt(0, 24));
    let batches = 0;
    for (let left = 24; left > 0; batches++) {
      scheduler.addPrompt(prompt(1 + batches, 8, 1));
      const work = scheduler.next();
      if (work?.kind !== 'prompt') continue;
      for (const { task, count } of work.chunks) if (task.sequence === 0) left -= count;
    }
    expect(batches).toBe(12);
  });

  it('hands out every token of every task once and in order, within its limits, starving nobody', () => {
    const operations = fc.array(
      fc.oneof(
        fc.record({
          kind: fc.constant('prompt' as const),
          tokens: fc.integer({ min: 1, max: 40 }),
          priority: fc.nat(2),
        }),
        fc.record({ kind: fc.constant('decode' as const) }),
        fc.record({ kind: fc.constant('next' as const) }),
        fc.record({ kind: fc.constant('remove' as const), index: fc.nat() }),
      ),
      { maxLength: 60 },
    );
    fc.assert(
      fc.property(
        operations,
        fc.integer({ min: 1, max: 16 }),
        fc.integer({ min: 1, max: 16 }),
        (list, batch, chunk) => {
          const scheduler = make(batch, chunk);
          const tasks: Task[] = [];
          const done = new Map<Task, number>();
          const removed = new Set<Task>();
          let decodes = 0;
          const step = () => {
            const work = scheduler.next();
            scheduler.checkIntegrity();
            if (work?.kind === 'decode') {
              expect(work.tasks.length).toBeLessThanOrEqual(4);
              decodes -= work.tasks.length;
            } else if (work) {
              expect(work.chunks.reduce((sum, c) => sum + c.count, 0)).toBeLessThanOrEqual(batch);
              for (const { task, first, count } of work.chunks) {
                expect(removed.has(task)).toBe(false);
                expect(count).toBeLessThanOrEqual(chunk);
                expect(first).toBe(done.get(task) ?? 0);
                done.set(task, first + count);
              }
            }
            return work !== undefined;
          };
          list.forEach((operation, i) => {
            if (operation.kind === 'prompt') {
              const task = prompt(i, operation.tokens, operation.priority, `${i % 3}`);
              tasks.push(task);
              scheduler.addPrompt(task);
            } else if (operation.kind === 'decode') {
              scheduler.addDecode(token(i, `${i % 3}`));
              decodes++;
            } else if (operation.kind === 'remove') {
              const task = tasks[operation.index % Math.max(1, tasks.length)];
              if (task && scheduler.remove(task)) removed.add(task);
            } else step();
          });
          while (step());
          expect(decodes).toBe(0);
          expect(scheduler.pending).toBe(0);
          for (const task of tasks) if (!removed.has(task)) expect(done.get(task)).toBe(task.tokens.length);
        },
      ),
    );
  });
});
