/** What scripts/prebuild.mjs goes by: which sources, which exports, which faults. It compiles nothing here. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { faultsOf, wantedExports } from '../../../scripts/prebuild/check-library.mjs';
import { abiVersion, manifestOf, packageVersion, platforms } from '../../../scripts/prebuild/platforms.mjs';
import { packages, readManifest } from '../../../scripts/read-manifest.mjs';
import { nativeRelease } from '../src/ggml/ffi/library.ts';
import { nativeKernelAbi } from '../src/ggml/native/kernel-library.ts';
import { kernelSources } from '../src/ggml/native/kernel-sources.ts';
import { libraryName as expectedName, platformPackages } from '../src/ggml/native/native-file.ts';
import { libraryName, sourcesDigest } from './recipe.mjs';

const engine = readManifest(packages.engine);
const folder = mkdtempSync(join(tmpdir(), 'block-attention-prebuild-'));
const file = join(folder, 'library');
writeFileSync(file, `…${sourcesDigest()}…`);
afterAll(() => rmSync(folder, { recursive: true }));

describe('the build and the loader agree on', () => {
  it('the digest of the sources', () => {
    expect(sourcesDigest()).toBe(kernelSources());
    expect(sourcesDigest()).toMatch(/^[0-9a-f]{64}$/);
  });

  it('the ABI', () => expect(abiVersion()).toBe(nativeKernelAbi));

  it.each(platforms)('the package and the file for $name', (platform) => {
    const { name, version, os, cpu, libc, files, blockAttention } = manifestOf(platform, engine);
    expect(platformPackages(platform.os, platform.cpu)).toContain(name);
    expect(libraryName(platform.os)).toBe(expectedName(platform.os));
    expect({ os, cpu, files }).toEqual({ os: [platform.os], cpu: [platform.cpu], files: [expectedName(platform.os)] });
    expect(libc).toEqual(platform.os === 'linux' ? [platform.libc] : undefined);
    expect(blockAttention).toMatchObject({ abi: nativeKernelAbi, sources: kernelSources() });
    expect(version).toBe(packageVersion());
  });

  it('the release of ggml, wherever it is named', () => {
    const named = platforms.flatMap((platform) => Object.entries(manifestOf(platform, engine).dependencies ?? {}));
    expect(named).toEqual([['@node-llama-cpp/linux-arm64', nativeRelease]]);
    expect(new Set(Object.values(engine.optionalDependencies))).toEqual(new Set([nativeRelease]));
  });

  it('functions, by the names that are looked up', () => {
    const wanted = wantedExports();
    expect(wanted).toEqual(
      expect.arrayContaining(['ba_abi_version', 'ba_sources', 'ba_attend', 'ba_barrier_install', 'ba_guard_add']),
    );
    // A struct is not a function.
    expect(wanted).not.toContain('ba_params');
  });
});

it('has the version of its ABI and its sources', () => {
  expect(packageVersion()).toMatch(new RegExp(`^${nativeKernelAbi}\\.0\\.0-k[0-9a-f]{12}$`));
});

describe('a library is refused', () => {
  const [linux, mac] = ['linux-x64', 'darwin-arm64'].map((name) =>
    platforms.find((platform) => platform.name === name),
  );
  const fine = { machine: 'X86_64', exports: wantedExports(), libraries: ['libc.so.6'], versions: ['GLIBC_2.27'] };
  const onMac = {
    ...fine,
    machine: 'ARM64',
    libraries: ['/usr/lib/libSystem.B.dylib'],
    signed: true,
    oldestSystem: '11.0.0',
  };

  it('but for a fault', () => {
    expect(faultsOf(file, linux, fine)).toEqual([]);
    expect(faultsOf(file, mac, { ...onMac, exports: [...onMac.exports, '__dso_handle'] })).toEqual([]);
  });

  it.each([
    ['of another CPU', linux, { machine: 'AARCH64' }, 'it is for AARCH64'],
    ['that lacks a function', linux, { exports: fine.exports.filter((name) => name !== 'ba_run') }, 'it lacks ba_run'],
    ['that exports more', linux, { exports: [...fine.exports, 'malloc'] }, 'it exports malloc besides'],
    ['that needs another library', linux, { libraries: ['libstdc++.so.6'] }, 'it needs libstdc++.so.6'],
    ['that needs a later glibc', linux, { versions: ['GLIBC_2.2.5', 'GLIBC_2.34'] }, 'it needs GLIBC_2.34'],
    ['whose stack is executable', linux, { executableStack: true }, 'its stack is executable'],
    ['that is not signed', mac, { ...onMac, signed: false }, 'it is not signed'],
    ['that needs a later macOS', mac, { ...onMac, oldestSystem: '13.0.0' }, 'it needs macOS 13.0.0'],
  ])('%s', (_, platform, change, fault) => {
    expect(faultsOf(file, platform, { ...fine, ...change })).toEqual([expect.stringContaining(fault)]);
  });

  it('of other sources', () => {
    writeFileSync(join(folder, 'other'), 'f'.repeat(64));
    expect(faultsOf(join(folder, 'other'), linux, fine)).toEqual([expect.stringContaining('digest of these sources')]);
  });
});
