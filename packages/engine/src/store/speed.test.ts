import { expect, test } from 'vitest';
import { LinearCost, Speed } from './speed.ts';

test('learns a fixed time and a time per byte', () => {
  const cost = new LinearCost();
  expect(cost.predict(100)).toBeUndefined();
  for (let turn = 0; turn < 50; turn += 1) {
    const bytes = 1000 + (turn % 7) * 5000;
    cost.add(bytes, 20 + bytes * 0.01);
  }
  expect(cost.predict(100_000)).toBeCloseTo(1020, 3);
  expect(cost.predict(0)).toBeCloseTo(20, 3);
});

test('takes time to be proportional to size while sizes are alike, and never predicts less than nothing', () => {
  const cost = new LinearCost();
  cost.add(1000, 10);
  cost.add(1001, 30);
  expect(cost.predict(2000)).toBeCloseTo(41.03, 1);
  cost.add(5000, 1);
  expect(cost.predict(1)).toBeGreaterThanOrEqual(0);
  expect(cost.predict(1e9)).toBeGreaterThan(0);
});

test('follows changes', () => {
  const cost = new LinearCost();
  for (let turn = 0; turn < 100; turn += 1) cost.add(1000, 10);
  for (let turn = 0; turn < 40; turn += 1) cost.add(1000, 100);
  expect(cost.predict(1000)).toBeGreaterThan(95);
});

test('loads while nothing is known, then what is faster, and tries a slow tier again with one block', () => {
  const speed = new Speed();
  const sizes = [1000, 1000, 1000];
  expect(speed.blocksToLoad('redis', 'm', sizes)).toBe(3);
  speed.encoded('m', 1000, 50);
  expect(speed.blocksToLoad('redis', 'm', sizes)).toBe(3);
  speed.loaded('redis', 3000, 100);
  expect(speed.blocksToLoad('redis', 'm', sizes)).toBe(3);
  for (let turn = 0; turn < 20; turn += 1) speed.loaded('redis', 3000, 500);
  const loads = Array.from({ length: 32 }, () => speed.blocksToLoad('redis', 'm', sizes));
  expect(loads.filter((count) => count === 0).length).toBe(30);
  expect(loads.filter((count) => count === 1).length).toBe(2);
  // Another tier, and a model that takes longer to encode, are judged by themselves.
  expect(speed.blocksToLoad('disk', 'm', sizes)).toBe(3);
  speed.encoded('larger', 1000, 5000);
  expect(speed.blocksToLoad('redis', 'larger', sizes)).toBe(3);
  for (let turn = 0; turn < 40; turn += 1) speed.loaded('redis', 1000, 1);
  expect(speed.blocksToLoad('redis', 'm', sizes)).toBe(3);
});
