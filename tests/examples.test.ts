/** The programs of examples/ that need no other package run as they stand, with the model that comes with this one. */
import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { expect, it } from 'vitest';

const root = fileURLToPath(new URL('..', import.meta.url));

async function output(example: string): Promise<string> {
  const { stdout } = await promisify(execFile)(
    process.execPath,
    ['--import', 'tsx', join(root, 'examples', `${example}.ts`)],
    { cwd: root, env: { ...process.env, BLOCK_ATTENTION_MODEL: 'embedded' } },
  );
  return stdout;
}

it('mounts the server beside routes of a program', { timeout: 120_000 }, async () => {
  expect(await output('mount')).toMatch(/^200 .*"content":"1931"/);
});

it('evaluates policies', { timeout: 120_000 }, async () => {
  const lines = (await output('evaluate')).trim().split('\n');
  expect(lines.map((line) => line.replace(/ \{.*/, ''))).toEqual([
    'full attention',
    'block mode',
    'block, anchor:header',
  ]);
});

it('takes training steps that lower the loss', { timeout: 120_000 }, async () => {
  const losses = Array.from((await output('train')).matchAll(/loss ([\d.]+)/g), ([, loss]) => Number(loss));
  expect(losses).toHaveLength(10);
  expect(losses.at(-1)).toBeLessThan(losses[0] ?? 0);
});
