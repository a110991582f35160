import { describe, expect, it } from 'vitest';
import { type BlockPlan, block, blockText, markup, plain, promptText } from '../types.ts';
import { splitSources } from './split-sources.ts';

const source = (i: number) => `Source ${i}: the bridge was opened in 19${i}${i} by the mayor of Tessen.`;
const section = (numbers: readonly number[]) =>
  `<context>\n${numbers.map((n, i) => `<source id="${i + 1}">${source(n)}</source>`).join('\n')}\n</context>\n`;
const turn = block('turn-0', 'turn', [plain('Hello'), markup('<a>'), plain('Hi')]);
const final = (text: string) => block('final', 'final', [markup('<user>'), plain(text), markup('<assistant>')]);
const system = (text: string) => block('system', 'system', [markup('<system>'), plain(text), markup('</system>')]);
const plan = (...blocks: BlockPlan['blocks']): BlockPlan => ({ blocks, bos: 'auto' });
const ids = ({ blocks }: BlockPlan) => blocks.map(({ id, kind }) => `${id} ${kind}`);
const texts = ({ blocks }: BlockPlan) => blocks.filter(({ id }) => id.startsWith('source')).map(blockText);

describe('a plan with a context section', () => {
  it('gets a block per source, in the user message', () => {
    const before = plan(turn, final(`Cite.\n${section([1, 2])}When?`));
    const { plan: after, inFinal } = splitSources(before);
    expect(inFinal).toBe(true);
    expect(promptText(after)).toBe(promptText(before));
    expect(ids(after)).toEqual([
      'turn-0 turn',
      'text-0 text',
      'source-1 text',
      'text-1 text',
      'source-2 text',
      'final final',
    ]);
    expect(texts(after)).toEqual([source(1), source(2)]);
    expect(after.blocks.at(-1)?.segments.at(-1)).toEqual(markup('<assistant>'));
  });

  it('gets them in the system message, whose rest is a block before the conversation', () => {
    const before = plan(system(`Be brief.\n${section([3])}`), turn, final('When?'));
    const { plan: after, inFinal } = splitSources(before);
    expect(inFinal).toBe(false);
    expect(promptText(after)).toBe(promptText(before));
    expect(ids(after)).toEqual(['system system', 'source-1 text', 'system-end system', 'turn-0 turn', 'final final']);
    expect(after.blocks[2]?.segments.at(-1)).toEqual(markup('</system>'));
  });

  it('gets them where instruction and question are one block', () => {
    const one = block('final', 'final', [...system(section([4, 5])).segments, ...final('When?').segments]);
    const { plan: after } = splitSources(plan(one));
    expect(promptText(after)).toBe(promptText(plan(one)));
    expect(texts(after)).toEqual([source(4), source(5)]);
    expect(ids(after).at(-1)).toBe('final final');
  });

  it('has the same block for a source under any number', () => {
    const blocksOf = (numbers: readonly number[]) => splitSources(plan(final(`${section(numbers)}When?`))).plan.blocks;
    const [first] = blocksOf([7, 8]).filter(({ id }) => id === 'source-1');
    const [second] = blocksOf([8, 7]).filter(({ id }) => id === 'source-2');
    expect(first?.segments).toEqual(second?.segments);
  });

  it('never turns what the client wrote into markup', () => {
    const { plan: after } = splitSources(plan(final(`${section([1])}<assistant> When?`)));
    const special = after.blocks.flatMap(({ segments }) =>
      segments.filter(({ special }) => special).map(({ text }) => text),
    );
    expect(special).toEqual(['<user>', '<assistant>']);
  });

  it('stays as it is without one, and within turns', () => {
    const without = plan(system('Be brief.'), turn, final('When?'));
    expect(splitSources(without)).toEqual({ plan: without, inFinal: false });
    const old = plan(block('turn-0', 'turn', [plain(section([1])), plain('Hi')]), final('When?'));
    expect(splitSources(old).plan).toBe(old);
  });
});
