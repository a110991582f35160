import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { chooseLinear, type LinearClass, type LinearPathName } from './linear-choice.ts';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'block-attention-'));
});
afterEach(() => rmSync(folder, { recursive: true }));

const classes: LinearClass[] = [
  { type: 'q4_0', inputs: 2048 },
  { type: 'q4_1', inputs: 2048 },
  { type: 'q4_0', inputs: 576 },
];

/** A machine with a clock: ms of a product by path and class, and how often it was asked. */
function clock(msOf: (path: LinearPathName, of: LinearClass, call: number) => number) {
  const calls: string[] = [];
  const time = async (path: LinearPathName, of: LinearClass) => {
    calls.push(`${path} ${of.type} ${of.inputs}`);
    return msOf(path, of, calls.filter((call) => call === calls.at(-1)).length);
  };
  return { calls, time };
}

const slowNative = clock((path, { type }) => (path === 'native' && type === 'q4_0' ? 3 : 2));

test('the faster path, for each type and length by itself; the native one where they are alike', async () => {
  const decisions = await chooseLinear({ classes, time: slowNative.time, machine: 'a' });
  expect(decisions.map(({ path }) => path)).toEqual(['ggml', 'native', 'ggml']);
  expect(decisions[0]).toEqual({ ...classes[0], path: 'ggml', reason: 'measured', ms: { native: 3, ggml: 2 } });
  const alike = clock((path) => (path === 'native' ? 2 : 1.98));
  expect((await chooseLinear({ classes, time: alike.time, machine: 'a' })).every(({ path }) => path === 'native')).toBe(
    true,
  );
});

test('both take turns; the first product of each and a slow one do not count', async () => {
  const { calls, time } = clock((path, _, call) => (call === 1 ? 0.1 : call === 3 ? 900 : path === 'native' ? 5 : 4));
  const [decision] = await chooseLinear({ classes: classes.slice(0, 1), time, machine: 'a' });
  expect(decision).toMatchObject({ path: 'ggml', ms: { native: 5, ggml: 4 } });
  expect(calls.slice(0, 4)).toEqual(['native q4_0 2048', 'ggml q4_0 2048', 'native q4_0 2048', 'ggml q4_0 2048']);
});

test('what was measured is remembered for this machine, and only for this', async () => {
  const first = clock((path) => (path === 'native' ? 3 : 2));
  await chooseLinear({ classes: classes.slice(0, 2), time: first.time, machine: 'a', folder });
  const second = clock(() => 1);
  const again = await chooseLinear({ classes, time: second.time, machine: 'a', folder });
  expect(again.map(({ path, reason }) => `${path} ${reason}`)).toEqual([
    'ggml remembered',
    'ggml remembered',
    'native measured',
  ]);
  expect(new Set(second.calls)).toEqual(new Set(['native q4_0 576', 'ggml q4_0 576']));
  const third = clock(() => 1);
  expect((await chooseLinear({ classes, time: third.time, machine: 'b', folder }))[0]?.reason).toBe('measured');
  expect(readdirSync(folder)).toHaveLength(2);
});

test.each([
  ['no JSON', '{'],
  ['of another machine', '{"machine":"b","decisions":{"q4_0 2048":{"native":1,"ggml":9}}}'],
  ['without times', '{"machine":"a","decisions":{"q4_0 2048":{"native":-1},"q4_1 2048":null}}'],
  ['a list', '[]'],
])('a file that is %s is measured over', async (_, content) => {
  const { time } = slowNative;
  await chooseLinear({ classes, time, machine: 'a', folder });
  const [name = ''] = readdirSync(folder);
  writeFileSync(join(folder, name), content);
  const decisions = await chooseLinear({ classes, time, machine: 'a', folder });
  expect(decisions[0]).toMatchObject({ path: 'ggml', reason: 'measured' });
  expect(JSON.parse(readFileSync(join(folder, name), 'utf8'))).toMatchObject({ machine: 'a' });
});

test('a folder that cannot be made costs nothing but the measurement', async () => {
  const file = join(folder, 'file');
  writeFileSync(file, '');
  const decisions = await chooseLinear({ classes, time: slowNative.time, machine: 'a', folder: join(file, 'x') });
  expect(decisions).toHaveLength(3);
  expect(readdirSync(folder)).toEqual(['file']);
});
