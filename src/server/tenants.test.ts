import { expect, it } from 'vitest';
import { Admission } from './admission.ts';
import { parseApiKey, sameSecret, Tenants } from './tenants.ts';

it('reads keys, with and without a tenant, and never repeats one', () => {
  expect(parseApiKey('long-enough=team')).toEqual({ key: 'long-enough', tenant: 'team' });
  expect(parseApiKey('bG9uZy1lbm91Z2g==')).toEqual({ key: 'bG9uZy1lbm91Z2g==' });
  expect(() => parseApiKey('short')).toThrow(/^(?!.*short).*8 to 256/);
});

it('gives a tenant the same salt under the same secret, others another, and strangers nothing', () => {
  const keys = [{ key: 'a', tenant: 'x' }, { key: 'b', tenant: 'x' }, { key: 'c' }];
  const tenants = new Tenants(keys, 's');
  const salt = tenants.of('Bearer a').salt;
  expect(tenants.of('bearer b').salt).toBe(salt);
  expect(new Tenants(keys, 's').of('Bearer a').salt).toBe(salt);
  expect(new Tenants(keys, 't').of('Bearer a').salt).not.toBe(salt);
  expect(tenants.of('Bearer c').salt).not.toBe(salt);
  for (const header of [undefined, '', 'Bearer d', 'Basic a', 'a']) {
    expect(() => tenants.of(header)).toThrow(expect.objectContaining({ code: 'UNAUTHORIZED' }));
  }
  expect([sameSecret('a', 'a'), sameSecret('a', 'b')]).toEqual([true, false]);
});

it('lets tenants in by turns, and forgets who left the queue', async () => {
  const admission = new Admission({ maxRunning: 1, maxQueue: 4 });
  const { signal } = new AbortController();
  const order: string[] = [];
  let leave = await admission.enter('a', signal);
  const impatient = new AbortController();
  const waiting = ['a1', 'a2', 'b1'].map(async (name) => {
    const done = await admission.enter(name.slice(0, 1), signal);
    order.push(name);
    leave = done;
  });
  const gone = admission.enter('c', impatient.signal);
  await expect(admission.enter('d', signal)).rejects.toMatchObject({ code: 'OVERLOADED' });
  impatient.abort();
  await expect(gone).rejects.toMatchObject({ code: 'ABORTED' });
  for (let i = 1; i <= 3; i++) {
    leave();
    await expect.poll(() => order.length).toBe(i);
  }
  await Promise.all(waiting);
  expect(order).toEqual(['a1', 'b1', 'a2']);
  leave();
  expect([admission.running, admission.waiting]).toEqual([0, 0]);
});
