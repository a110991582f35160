import { describe, expect, it } from 'vitest';
import { checkPolicy, parsePolicy, plainPolicy, readingAll, recomputedShare, runsOn } from './policy.ts';

const refused = expect.objectContaining({ code: 'INVALID_ARGUMENT' });

describe('parsePolicy', () => {
  it.each([
    ['plain', 'plain'],
    ['none', 'plain'],
    ['head:8', 'head:8'],
    [' deviation:0.15 ', 'deviation:0.15'],
    ['deviation:.15', 'deviation:0.15'],
    ['deviation:1', 'deviation:1'],
    ['head:08', 'head:8'],
    ['head:0', 'plain'],
    ['deviation:0', 'plain'],
    ['attention:.10', 'attention:0.1'],
    ['attention:1+anchor:header', 'anchor:header+attention:1'],
    ['attention:0', 'plain'],
    ['anchor:bos', 'anchor:bos'],
    ['anchor:header', 'anchor:header'],
    ['anchor:none', 'plain'],
    ['anchor:0200', 'anchor:200'],
    ['head:8+anchor:200', 'anchor:200+head:8'],
    ['anchor:text=a%20b%2Cc%2Bd%25', 'anchor:text=a b%2Cc%2Bd%25'],
    ['anchor:file=/x/y:z=1', 'anchor:file=/x/y:z=1'],
    ['plain+head:8', 'head:8'],
    ['head:8 + plain', 'head:8'],
    ['hide:04', 'hide:4'],
    ['hide:0', 'plain'],
    ['hide:64+head:8+anchor:bos', 'anchor:bos+head:8+hide:64'],
    ['neighbour:064', 'neighbour:64'],
    ['neighbour:0+hide:1', 'hide:1'],
    ['select:1+head:8+neighbour:1024+anchor:200', 'anchor:200+neighbour:1024+head:8+select:1'],
    ['select:01', 'select:1'],
    ['select:0+hide:1', 'hide:1'],
    ['select:3+hide:1+anchor:bos', 'anchor:bos+hide:1+select:3'],
  ])('reads %j as %j', (text, name) => {
    const policy = parsePolicy(text);
    expect(policy.name).toBe(name);
    expect(parsePolicy(policy.name)).toEqual(policy);
    expect(policy).toEqual(parsePolicy(name));
  });

  it.each([
    '',
    'head',
    'head:',
    'head:-1',
    'head:1.5',
    'head:1e9',
    'head:99999999999',
    'head:8:9',
    'none:1',
    'plain:1',
    'deviation:1.01',
    'deviation:-0.1',
    'attention',
    'attention:2',
    'attention:-1',
    'attention:many',
    'attention:0.1+attention:0.2',
    'attention:0.1+head:8',
    'tail:3',
    'Head:3',
    'toString:1',
    '+',
    'head:8+',
    'head:8+head:9',
    'hide',
    'hide:65',
    'hide:-1',
    'hide:1.5',
    'hide:4+hide:4',
    'neighbour',
    'neighbour:-1',
    'neighbour:1025',
    'neighbour:all',
    'neighbour:1+neighbour:2',
    'select',
    'select:-1',
    'select:1.5',
    'select:65',
    'select:1+select:2',
    'head:8+deviation:0.1',
  ])('refuses %j', (text) => {
    expect(() => parsePolicy(text)).toThrowError(refused);
  });

  it('names the part that is wrong, and does not repeat a long text', () => {
    expect(() => parsePolicy('head:many')).toThrowError('policy part "head:many": give the tokens of each head');
    expect(() => parsePolicy('x'.repeat(5000))).toThrowError(
      expect.objectContaining({ message: expect.not.stringMatching(/x{100}/) }),
    );
  });
});

describe('checkPolicy', () => {
  it('takes a policy or its text', () => {
    expect(checkPolicy('head:8')).toEqual(parsePolicy('head:8'));
    expect(checkPolicy(plainPolicy)).toEqual(plainPolicy);
  });

  it.each([{ name: 'tail:1' }, { name: 3 }, {}, null, undefined, 3])('refuses %j', (policy) => {
    expect(() => checkPolicy(policy as string)).toThrowError(refused);
  });
});

it('says what a question costs', () => {
  const shares = ['plain', 'hide:4', 'head:8', 'deviation:0.15', 'attention:0.1', 'head:500'].map((text) =>
    recomputedShare(parsePolicy(text), 100),
  );
  expect(shares).toEqual([0, 0, 0.08, 0.15, 0.1, 1]);
});

it('says what a model can do that computes nothing again', () => {
  const policies = [
    'plain',
    'anchor:200+hide:4+select:1',
    'head:8',
    'anchor:header+deviation:0.15',
    'attention:0.1',
  ].map(parsePolicy);
  expect(policies.map((policy) => runsOn(policy, { recomputes: false }))).toEqual([true, true, false, false, false]);
  expect(policies.every((policy) => runsOn(policy, { recomputes: true }))).toBe(true);
});

it.each([
  ['anchor:header+head:8+select:3', 'anchor:header+head:8'],
  ['select:1', 'plain'],
  ['hide:4', 'hide:4'],
])('%s without its choice of passages is %s', (text, rest) => {
  expect(readingAll(parsePolicy(text))).toEqual(parsePolicy(rest));
});
