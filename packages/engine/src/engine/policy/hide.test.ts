import { expect, test } from 'vitest';
import type { BlockKind } from '../../prompt/index.ts';
import { chooseMode } from '../verdict/choose-mode.ts';
import type { StoredVerdict } from '../verdict/verdict-store.ts';
import { asRead } from './context-work.ts';
import { encodesAlike, encodingPart, parsePolicy, plainPolicy, readingPart } from './policy.ts';

const memory = { address: 0n, size: 0 } as never;
const context = [30, 20, 3, 9].map((tokens) => ({ memory, tokens }));
const planned = (...kinds: BlockKind[]) => kinds.map((kind) => ({ kind }));

test.each([
  ['plain', planned('system', 'passage', 'passage', 'turn'), [0, 0, 0, 0]],
  ['anchor:40+head:8', planned('system', 'passage', 'passage', 'turn'), [0, 0, 0, 0]],
  ['hide:4', planned('system', 'passage', 'passage', 'turn'), [0, 4, 4, 4]],
  ['hide:4', planned('passage', 'passage', 'demonstration', 'text'), [0, 4, 4, 0]],
] as const)('%s leaves out the heads of later blocks, never words of the question', (text, blocks, hidden) => {
  const read = asRead(parsePolicy(text), blocks, context);
  expect(read.map((block) => ('hidden' in block ? block.hidden : 0))).toEqual(hidden);
  expect(read.map(({ tokens }) => tokens)).toEqual([30, 20, 3, 9]);
});

test('blocks do not depend on it, what has read them does', () => {
  const policy = parsePolicy('anchor:40+hide:4');
  expect(encodingPart(policy).name).toBe('anchor:40');
  expect(encodesAlike(policy, parsePolicy('anchor:40'))).toBe(true);
  expect(readingPart(policy)).not.toBe(readingPart(parsePolicy('anchor:40')));
  expect(readingPart(policy)).not.toBe(readingPart(parsePolicy('anchor:40+hide:5')));
});

test('a verdict holds with it', () => {
  const verdict = { verdict: 'block', policy: 'anchor:40+hide:4', tolerance: 0.02, n: 200 } as StoredVerdict;
  const defaults = { mode: 'auto', policy: undefined, fallback: plainPolicy, modelPath: '/m.gguf', verdict } as const;
  expect(chooseMode({}, defaults)).toMatchObject({ mode: 'block', policy: parsePolicy('anchor:40+hide:4') });
  const { reason } = chooseMode({ policy: 'anchor:40' }, defaults);
  expect(reason).toContain('policy anchor:40 was asked for and not verified');
});
