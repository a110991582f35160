import { describe, expect, it } from 'vitest';
import { defaultPolicy, trainedPolicy } from './default-policy.ts';

describe('defaultPolicy', () => {
  it.each([
    ['auto', 8192, 'anchor:200'],
    ['plain', 1024, 'anchor:200'],
    ['chat', 512, 'anchor:header'],
    ['paper', 8192, 'plain'],
  ] as const)('of template %s with %i tokens is %s', (template, contextTokens, name) => {
    expect(defaultPolicy(template, contextTokens).name).toBe(name);
  });
});

describe('trainedPolicy', () => {
  const trained = (model: unknown, adapter?: unknown) => {
    const file = { value: () => model };
    const lora = adapter === undefined ? undefined : { metadata: () => adapter ?? undefined };
    return trainedPolicy({ file, adapter: lora })?.name;
  };

  it('is what the file says', () => {
    expect(trained('anchor:header')).toBe('anchor:header');
    for (const nothing of [undefined, 7, 'anchor:sideways']) expect(trained(nothing)).toBeUndefined();
  });

  it("is the adapter's, where there is one", () => {
    expect(trained('anchor:200', 'anchor:header')).toBe('anchor:header');
    expect(trained('anchor:200', null)).toBe('plain');
  });
});
