import { copyFileSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, describe, expect, it, vi } from 'vitest';
import {
  findKernel,
  type KernelAbsence,
  type KernelLibrary,
  kernelLibrary,
  nativeKernelAbi,
} from './kernel-library.ts';
import { kernelSources } from './kernel-sources.ts';
import { kernelPlaces, libraryName, nativeVariable, platformPackages } from './native-file.ts';

const folder = mkdtempSync(join(tmpdir(), 'block-attention-kernels-'));
afterAll(() => rmSync(folder, { recursive: true }));
afterEach(() => vi.unstubAllEnvs());

const own = kernelLibrary();
if (own.library === undefined) console.warn(`skipped: ${own.reason}`);
const nowhere = join(folder, 'nowhere', libraryName());

let copies = 0;
/** A copy of this machine's library: the system loads each file once. */
function copy(change?: (bytes: Buffer) => void): string {
  const at = join(folder, String(copies++));
  mkdirSync(at);
  const path = join(at, libraryName());
  if (own.library !== undefined) copyFileSync(own.path, path);
  if (change !== undefined) {
    const bytes = readFileSync(path);
    change(bytes);
    writeFileSync(path, bytes);
  }
  return path;
}

/** As if it had been compiled from other sources. */
function stranger(bytes: Buffer): void {
  const at = bytes.indexOf(kernelSources());
  expect(at).toBeGreaterThan(0);
  bytes.write(bytes[at] === 0x30 ? '1' : '0', at);
}

/** What ba_abi_version() returns, as the instructions that do. */
const returned: Record<string, (value: number) => readonly number[]> = {
  x64: (value) => [0xb8, value, 0, 0, 0, 0xc3], // mov eax, value; ret
  arm64: (value) => [value << 5, 0, 0x80, 0x52, 0xc0, 0x03, 0x5f, 0xd6], // mov w0, value; ret
};
const abiInstructions = returned[process.arch];

/** As if it were of the next version of the interface. */
function successor(bytes: Buffer): void {
  if (abiInstructions === undefined) return;
  const at = bytes.indexOf(Buffer.from(abiInstructions(nativeKernelAbi)));
  expect(at).toBeGreaterThan(0);
  bytes.set(abiInstructions(nativeKernelAbi + 1), at);
}

function notALibrary(): string {
  const path = join(folder, `${copies++}-${libraryName()}`);
  writeFileSync(path, 'not a library');
  return path;
}

const pathOf = (found: KernelLibrary | KernelAbsence) => (found.library === undefined ? found.reason : found.path);

describe.skipIf(own.library === undefined)('of several libraries', () => {
  it('the one that is named is taken, and no other', () => {
    const [named, built, packaged] = [copy(), copy(), copy()];
    expect(pathOf(findKernel({ named, built, packaged: [packaged] }))).toBe(named);
    expect(findKernel({ named: nowhere, built, packaged: [packaged] })).toMatchObject({
      code: 'missing',
      reason: expect.stringContaining(`${nativeVariable} is ${nowhere}`),
    });
    expect(findKernel({ named: copy(stranger), built, packaged: [packaged] })).toMatchObject({ code: 'sources' });
  });

  it('the one that was built here comes before a package', () => {
    const [built, packaged] = [copy(), copy()];
    expect(pathOf(findKernel({ built, packaged: [packaged] }))).toBe(built);
    expect(pathOf(findKernel({ built: nowhere, packaged: [packaged] }))).toBe(packaged);
  });

  it('one of other sources is passed over, and without another the reason', () => {
    const [stale, packaged] = [copy(stranger), copy()];
    expect(pathOf(findKernel({ built: stale, packaged: [packaged] }))).toBe(packaged);
    const { code, reason } = findKernel({ built: stale, packaged: [] }) as KernelAbsence;
    expect(code).toBe('sources');
    expect(reason).toContain(`${stale} was compiled from other sources`);
    expect(reason).toMatch(/: node .*build\.mjs$/);
  });

  it.skipIf(abiInstructions === undefined)('one of another ABI is refused', () => {
    const named = copy(successor);
    expect(findKernel({ named, built: nowhere, packaged: [] })).toMatchObject({
      code: 'abi',
      reason: expect.stringContaining(`${named} has ABI ${nativeKernelAbi + 1}, this package needs ${nativeKernelAbi}`),
    });
  });

  it('the package of the other C library is passed over', () => {
    const packaged = copy();
    expect(pathOf(findKernel({ built: nowhere, packaged: [notALibrary(), packaged] }))).toBe(packaged);
  });
});

describe('without a library', () => {
  it('says what to do', () => {
    const { code, reason } = findKernel({ built: nowhere, packaged: [] }) as KernelAbsence;
    expect(code).toBe('missing');
    expect(reason).toMatch(/^the native library is not installed: .*node .*build\.mjs/);
    expect(reason).not.toContain('\n');
  });

  it('says what the system thinks of one that it cannot load', () => {
    const path = notALibrary();
    expect(findKernel({ named: path, built: nowhere, packaged: [] })).toMatchObject({
      code: 'unloadable',
      reason: expect.stringContaining(`${path} cannot be loaded`),
    });
  });

  it(`${nativeVariable}=0 switches it off`, () => {
    vi.stubEnv(nativeVariable, '0');
    expect(kernelLibrary()).toMatchObject({ code: 'off', reason: expect.stringContaining(nativeVariable) });
  });
});

describe('places', () => {
  it('are named by the environment', () => {
    expect(kernelPlaces({}).named).toBeUndefined();
    expect(kernelPlaces({ [nativeVariable]: '' }).named).toBeUndefined();
    expect(kernelPlaces({ [nativeVariable]: '1' }).named).toBeUndefined();
    expect(kernelPlaces({ [nativeVariable]: '/opt/kernel.so' }).named).toBe('/opt/kernel.so');
  });

  it('are packages of the platform, on Linux of both C libraries', () => {
    expect(platformPackages('linux', 'arm64')).toEqual([
      '@block-attention/kernel-linux-arm64',
      '@block-attention/kernel-linux-arm64-musl',
    ]);
    expect(platformPackages('darwin', 'x64')).toEqual(['@block-attention/kernel-darwin-x64']);
    expect(platformPackages('win32', 'x64')).toEqual(['@block-attention/kernel-win32-x64']);
    expect(['linux', 'darwin', 'win32'].map((platform) => libraryName(platform))).toEqual([
      'libblock_attention.so',
      'libblock_attention.dylib',
      'block_attention.dll',
    ]);
  });
});
