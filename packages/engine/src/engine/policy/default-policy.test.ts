import { describe, expect, it } from 'vitest';
import { defaultPolicy, trainedPolicy } from './default-policy.ts';

describe('defaultPolicy', () => {
  it.each([
    ['auto', 'anchor:200'],
    ['plain', 'anchor:200'],
    ['chat', 'anchor:200'],
    ['paper', 'plain'],
  ] as const)('of template %s is %s', (template, name) => {
    expect(defaultPolicy(template).name).toBe(name);
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
