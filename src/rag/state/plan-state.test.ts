import type { Engine } from '@block-attention/engine/internal/engine';
import * as fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Corpus } from '../testing/corpus.ts';
import { compareStates, planState } from './plan-state.ts';

const unit = (id: number, place = id * 7) => ({
  id: `u${id}`,
  kind: 'passage boat',
  place,
  note: 'in the harbour, waiting',
});
const world = (count: number) => ({
  turn: 1,
  weather: 'rain',
  units: Array.from({ length: count }, (_, i) => unit(i)),
});
const titles = (value: unknown, blockCharacters = 100) =>
  planState(value, { blockCharacters }).map(({ title }) => title);

describe('the plan of a state', () => {
  it('makes what is short one block, and takes the rest apart', () => {
    expect(planState({ a: 1 })).toEqual([{ id: 'state', title: 'state', text: '{"a":1}' }]);
    expect(planState(null)).toEqual([{ id: 'state', title: 'state', text: 'null' }]);
    const blocks = planState(world(3), { blockCharacters: 120, name: 'world' });
    expect(blocks.map(({ title, text }) => [title, text.slice(0, 22)])).toEqual([
      ['world', '{"turn":1,"weather":"r'],
      ['world.units[id=u0]', '{"id":"u0","kind":"pas'],
      ['world.units[id=u1]', '{"id":"u1","kind":"pas'],
      ['world.units[id=u2]', '{"id":"u2","kind":"pas'],
    ]);
  });

  it('names elements by what tells them apart, never by their place', () => {
    const long = 'x'.repeat(60);
    expect(
      titles([
        { name: 'a', long },
        { name: 'b', long },
      ]),
    ).toEqual(['state[name=a]', 'state[name=b]']);
    expect(
      titles([
        { name: 'a', long },
        { name: 'a', long },
      ]),
    ).toEqual(['state[]', 'state[]']);
    expect(titles([long, long])).toEqual(['state[]', 'state[]']);
  });

  it('changes one block when one value changes, and moves none when something is put in front', () => {
    const before = planState(world(40), { blockCharacters: 120 });
    const changed = world(40);
    changed.units[17] = unit(17, 1000);
    expect(compareStates(before, planState(changed, { blockCharacters: 120 }))).toMatchObject({
      added: [{ title: 'state.units[id=u17]' }],
      removed: [{ title: 'state.units[id=u17]' }],
    });
    const longer = world(40);
    longer.units.unshift(unit(99));
    const { kept, added, removed } = compareStates(before, planState(longer, { blockCharacters: 120 }));
    expect([kept.length, added.length, removed.length]).toEqual([before.length, 1, 0]);
  });

  it('keeps every value, whatever the document', () => {
    fc.assert(
      fc.property(fc.jsonValue({ maxDepth: 5 }), fc.integer({ min: 1, max: 200 }), (value, blockCharacters) => {
        const blocks = planState(value, { blockCharacters });
        expect(blocks.length).toBeGreaterThan(0);
        const leaves = (part: unknown): string[] => {
          if (typeof part !== 'object' || part === null) return [JSON.stringify(part)];
          return Object.values(part).flatMap(leaves);
        };
        const count = (list: readonly string[]) => list.toSorted();
        const planned = blocks.flatMap(({ text }) => leaves(JSON.parse(text)));
        expect(count(planned)).toEqual(count(leaves(value)));
        expect(planState(structuredClone(value), { blockCharacters })).toEqual(blocks);
      }),
      { numRuns: 200 },
    );
  });

  it('refuses what is not JSON', () => {
    const circle: Record<string, unknown> = {};
    circle.self = circle;
    for (const value of [undefined, () => 1, 1n, circle]) {
      expect(() => planState(value)).toThrow(expect.objectContaining({ code: 'INVALID_ARGUMENT' }));
    }
    expect(() => planState({}, { blockCharacters: 0 })).toThrow(expect.objectContaining({ code: 'INVALID_ARGUMENT' }));
    expect(planState('\ud800')[0]?.text).toBe('"\\ud800"');
  });
});

describe('a state that changes', () => {
  let corpus: Corpus;
  let engine: Engine;
  beforeAll(async () => {
    corpus = await Corpus.make();
    engine = await corpus.openEngine();
  });
  afterAll(async () => {
    await engine.close();
    corpus[Symbol.dispose]();
  });

  it('re-encodes what changed alone, and answers as a fresh engine does', async () => {
    const state = world(12);
    const ask = (on: Engine) =>
      on.answer({ passages: planState(state, { blockCharacters: 120 }), question: 'where is the boat?', maxTokens: 8 })
        .result;
    await ask(engine);
    for (const step of [3, 7, 11]) {
      state.units[step] = unit(step, 500 + step);
      const result = await ask(engine);
      const missed = result.blocks.filter(({ status }) => status === 'miss').map(({ id }) => id);
      expect(missed).toEqual([`state.units[id=u${step}]`]);
      await using fresh = await corpus.openEngine();
      expect((await ask(fresh)).text).toBe(result.text);
    }
  });
});
