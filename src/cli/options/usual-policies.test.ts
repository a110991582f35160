import { recomputedShare } from '@block-attention/engine/internal/policy';
import { expect, it } from 'vitest';
import { usualPolicies } from './usual-policies.ts';

const plain = [{ passages: [{ text: 'a' }, { text: 'b' }] }];
const followed = [...plain, { passages: [{ text: 'b', previous: { text: 'a' } }] }];
const names = (...given: Parameters<typeof usualPolicies>) => usualPolicies(...given).map(({ name }) => name);

it('tries what the question chooses last, where time is not limited', () => {
  const cheaper = ['anchor:header', 'anchor:200', 'anchor:200+head:8'];
  expect(names(plain, { limited: true })).toEqual(cheaper);
  expect(names(plain, { limited: false })).toEqual([...cheaper, 'anchor:200+attention:0.05']);
});

it('tries neighbours where they are known, before what costs a question more', () => {
  const policies = usualPolicies(followed, { limited: false });
  expect(policies.map(({ name }) => name)).toContain('anchor:200+neighbour:256');
  const recomputing = policies.map((policy) => recomputedShare(policy) > 0);
  expect(recomputing).toEqual([false, false, false, true, true]);
});
