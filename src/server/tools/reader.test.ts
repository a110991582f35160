import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { plainReader, type ReplyReader, wholeReply } from '../replies/reply.ts';
import { callFormat } from './formats.ts';
import { callReader, reasoningReader } from './reader.ts';

const format = callFormat('<tool_call>');
const mark = '\uE000x\uE000';
function read(make: () => ReplyReader, text: string, cuts: readonly number[]) {
  const reader = make();
  const places = [...new Set([0, ...cuts.map((cut) => cut % (text.length + 1)), text.length])].sort((a, b) => a - b);
  const parts = places.slice(1).flatMap((end, i) => reader.push(text.slice(places[i], end)));
  return wholeReply([...parts, ...reader.end()]);
}

describe('an answer’s text', () => {
  it('is read into words, reasoning and calls, however it is cut', () => {
    if (format === undefined) throw new Error('no format');
    const given = { city: 'a "}] {" \\', list: [{ x: 1 }], deep: { y: '</tool_call>' } };
    const call = (name: string) => `{"name": ${JSON.stringify(name)}, "arguments": ${JSON.stringify(given)}}`;
    const text = `<think>\nhm </thin\n</think>\n\nLet me see.\n${mark}${call('a')}\n</tool_call>\n<tool_call>\n${call('b')}\n</tool_call>`;
    fc.assert(
      fc.property(fc.array(fc.nat()), (cuts) => {
        const { content, reasoning, calls } = read(() => reasoningReader(callReader(format, mark)), text, cuts);
        expect(reasoning).toBe('hm </thin');
        expect(content.trim()).toBe('Let me see.');
        expect(calls.map(({ name }) => name)).toEqual(['a', 'b']);
        expect(calls.map((one) => JSON.parse(one.arguments))).toEqual([given, given]);
      }),
    );
  });

  it('is words alone where it is nothing else', () => {
    fc.assert(
      fc.property(fc.string(), fc.array(fc.nat()), (text, cuts) => {
        if (text.trimStart().startsWith('<think>')) return;
        expect(read(() => reasoningReader(plainReader()), text, cuts)).toMatchObject({ content: text, reasoning: '' });
      }),
    );
  });

  it('gives what there is of reasoning and of a call that is cut off', () => {
    if (format === undefined) throw new Error('no format');
    expect(read(() => reasoningReader(plainReader()), '<think>so far', [])).toMatchObject({ reasoning: 'so far' });
    const { calls } = read(() => callReader(format, mark), `${mark}{"name": "a", "arguments": {"x": 1`, []);
    expect(calls).toMatchObject([{ name: 'a', arguments: '{"x": 1' }]);
  });
});
