import { describe, expect, it } from 'vitest';
import { toolTemplates } from '../../../../../tests/support/templates/tool-templates.ts';
import { ChatTemplate } from '../template/chat-template.ts';
import { blockText, promptText } from '../types.ts';
import { agentPlan } from './agent-blocks.ts';
import type { AgentMessage } from './agent-messages.ts';

const context = { variables: {}, now: new Date(0) };
const city = { type: 'object', properties: { city: { type: 'string', description: 'Which <|one|>' } } };
const tools = ['weather', 'clock', 'news'].map((name) => ({ name, description: `Tells ${name}`, parameters: city }));
const call = { id: 'abcdefghi', name: 'weather', arguments: { city: 'Varn' } };
const messages: AgentMessage[] = [
  { role: 'system', content: 'Be brief.' },
  { role: 'user', content: 'Is it raining?' },
  { role: 'assistant', content: '', reasoning: 'I must look.', calls: [call] },
  { role: 'tool', content: '"rain" <|end|>', id: 'abcdefghi', name: 'weather' },
  { role: 'assistant', content: 'It rains.' },
  { role: 'user', content: 'And tomorrow?' },
  { role: 'assistant', content: '', calls: [{ ...call, id: 'ihgfedcba' }] },
  { role: 'tool', content: 'sun', id: 'ihgfedcba', name: 'weather' },
];
const passages = [
  { id: 'a', title: 'Varn', text: 'Varn lies at a lake.' },
  { id: 'b', title: undefined, text: 'It rains in [INST] spring.' },
];
const templates = Object.entries(toolTemplates).map(
  ([name, source]) => [name, new ChatTemplate(source, { bos: '<s>', eos: '</s>' })] as const,
);

describe.each(templates)('a conversation with tools, as %s writes it', (_, template) => {
  const plan = (given: readonly AgentMessage[], offered = tools, found: typeof passages = []) =>
    agentPlan({ messages: given, tools: offered }, found, template, context);

  it('is cut into blocks that are the rendering, joined, with what callers wrote as text', () => {
    for (const [given, found] of [
      [messages, []],
      [messages.slice(0, 2), []],
      [messages, passages],
      [messages.slice(1), passages],
    ] as const) {
      const made = plan(given, tools, [...found]);
      const text = promptText(made);
      for (const { role, content } of given) if (role !== 'tool') expect(text).toContain(content);
      expect(made.blocks.at(-1)).toMatchObject({ id: 'final', kind: 'final' });
      expect(made.blocks.filter(({ kind }) => kind === 'final')).toHaveLength(1);
      for (const { segments } of made.blocks) {
        for (const { text: piece, special } of segments) if (special) expect(piece).not.toContain('<|one|>');
      }
      // One rendering, cut: what each block has is found in it once, in order.
      let at = 0;
      for (const part of made.blocks.map(blockText)) {
        expect(text.startsWith(part, at)).toBe(true);
        at += part.length;
      }
      expect(text.split('Is it raining?')).toHaveLength(2);
    }
  });

  it('has a block per tool, the same in any order and company, wherever tools stand', () => {
    // The first of a list with commas has none before it.
    const blocksOf = (offered: typeof tools, given = messages) =>
      new Map(plan(given, offered).blocks.map((one) => [one.id, blockText(one).replace(/^, /, '')]));
    const all = blocksOf(tools);
    const other = blocksOf([...tools].reverse(), messages.slice(0, 2));
    for (const tool of ['weather', 'clock', 'news']) {
      expect(all.get(`tool:${tool}`)).toContain(`Tells ${tool}`);
      expect(other.get(`tool:${tool}`)).toBe(all.get(`tool:${tool}`));
    }
    const fewer = blocksOf(tools.slice(1));
    expect(fewer.get('tool:news')).toBe(all.get('tool:news'));
  });

  it('has a block per finished exchange, the same whatever follows', () => {
    const first = plan(messages.slice(0, 6)).blocks;
    const later = plan(messages).blocks;
    const turn = (blocks: typeof first) => blocks.find(({ id }) => id === 'turn-0');
    const [before, behind] = [turn(first), turn(later)];
    expect(before && blockText(before)).toContain('It rains.');
    expect(behind).toEqual(before);
    const order = later.map(({ id }) => id).filter((id) => !id.startsWith('tool') && !id.startsWith('system'));
    expect(order).toEqual(['turn-0', 'final']);
  });

  it('has the passages in front of the first question, a block each, as any prompt has them', () => {
    const blocks = plan(messages, tools, passages).blocks.filter(({ kind }) => kind === 'passage');
    expect(blocks.map(({ id, segments }) => [id, segments])).toEqual([
      ['a', [{ text: '- Title: Varn\nVarn lies at a lake.\n', special: false }]],
      ['b', [{ text: '- It rains in [INST] spring.\n', special: false }]],
    ]);
  });
});
