import { describe, expect, it } from 'vitest';
import { show } from '../testing/open-family.ts';
import { planText, type TextRequest } from './plan-text.ts';

describe('planText', () => {
  it('makes the last piece the final block, and nothing of it markup', () => {
    expect(show(planText({ text: 'One <s>.\n\nTwo.\n\nThree?' }))).toBe(
      'text text-0: [One <s>.⏎⏎]\ntext text-1: [Two.⏎⏎]\nfinal final: [Three?]',
    );
  });

  it('segments code, or nothing', () => {
    const text = 'def a(): 1\n\ndef b(): 2\n';
    expect(show(planText({ text, segment: 'code' }))).toBe('text text-0: [def a(): 1⏎⏎]\nfinal final: [def b(): 2⏎]');
    expect(planText({ text, segment: 'none' }).blocks).toHaveLength(1);
    expect(planText({ text, maxBlocks: 1 }).blocks).toHaveLength(1);
  });

  it.each([
    ['blank text', { text: ' \n' }, /text is empty/],
    ['half a character', { text: 'a\ud800' }, /lone surrogate/],
    ['an unknown way', { text: 'a', segment: 'pages' }, /use "text", "code" or "none"/],
    ['no blocks', { text: 'a', maxBlocks: 0 }, /maxBlocks is 0/],
  ])('refuses %s', (_, request, message) => {
    expect(() => planText(request as TextRequest)).toThrow(
      expect.objectContaining({ code: 'INVALID_ARGUMENT', message: expect.stringMatching(message) }),
    );
  });
});
