import { expect, it, vi } from 'vitest';
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

it('says when those who wait will have started, by how long requests took', async () => {
  vi.useFakeTimers();
  const admission = new Admission({ maxRunning: 2, maxQueue: 100 });
  const enter = (tenant: string) => admission.enter(tenant, new AbortController().signal);
  expect(admission.retryAfter).toBe(1);
  for (let i = 0; i < 40; i++) {
    const leave = await enter('a');
    vi.advanceTimersByTime(i < 20 ? 500 : 3000);
    leave();
  }
  expect(admission.retryAfter).toBe(2);
  const waiting = Array.from({ length: 12 }, () => enter('a'));
  expect(admission.waiting).toBe(10);
  expect(admission.retryAfter).toBe(15);
  for (let i = 0; i < 80; i++) waiting.push(enter('b'));
  expect(admission.retryAfter).toBe(60);
  await Promise.all(waiting.map((entered) => entered.then((leave) => leave())));
  vi.useRealTimers();
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
