/**
 * The platforms that get a package with the native library compiled: what npm calls them, what Zig calls them, and what
 * a library may need of the system there.
 */
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { here, libraryName, sourcesDigest } from '../../packages/engine/native/recipe.mjs';
import { packages, readManifest } from '../read-manifest.mjs';

/** The compiler and the reader of what it made, packages of PyPI. A change of either makes packages of a new version. */
export const tools = { ziglang: '0.16.0', lief: '1.0.0' };

/** Oldest glibc that loads the library: that of Debian 10, RHEL 8 and Ubuntu 18.10. */
const glibc = '2.28';
const macos = '11.0';

const ucrt = /^(?:KERNEL32\.dll|api-ms-win-crt-[a-z]+-l1-1-0\.dll)$/i;
const linux = /^(?:libc\.so\.6|libm\.so\.6|libpthread\.so\.0|ld-linux-(?:x86-64|aarch64)\.so\.[12])$/;

/**
 * `needs`: libraries of the system that may be needed. `ggml`: the package with ggml's build that comes with this one,
 * where its own manifest lets it be installed on other CPUs as well; the engine names all others itself.
 */
export const platforms = [
  {
    name: 'linux-x64',
    os: 'linux',
    cpu: 'x64',
    libc: 'glibc',
    target: `x86_64-linux-gnu.${glibc}`,
    needs: linux,
    glibc,
  },
  { name: 'linux-x64-musl', os: 'linux', cpu: 'x64', libc: 'musl', target: 'x86_64-linux-musl', needs: /^libc\.so$/ },
  {
    name: 'linux-arm64',
    os: 'linux',
    cpu: 'arm64',
    libc: 'glibc',
    target: `aarch64-linux-gnu.${glibc}`,
    needs: linux,
    glibc,
    ggml: '@node-llama-cpp/linux-arm64',
  },
  {
    name: 'linux-arm64-musl',
    os: 'linux',
    cpu: 'arm64',
    libc: 'musl',
    target: 'aarch64-linux-musl',
    needs: /^libc\.so$/,
  },
  {
    name: 'darwin-arm64',
    os: 'darwin',
    cpu: 'arm64',
    target: `aarch64-macos.${macos}`,
    needs: /^\/usr\/lib\/libSystem\.B\.dylib$/,
    macos,
  },
  {
    name: 'darwin-x64',
    os: 'darwin',
    cpu: 'x64',
    target: `x86_64-macos.${macos}`,
    needs: /^\/usr\/lib\/libSystem\.B\.dylib$/,
    macos,
  },
  { name: 'win32-x64', os: 'win32', cpu: 'x64', target: 'x86_64-windows-gnu', needs: ucrt },
  { name: 'win32-arm64', os: 'win32', cpu: 'arm64', target: 'aarch64-windows-gnu', needs: ucrt },
];

export const packageName = ({ name }) => `@block-attention/kernel-${name}`;

/** The version of BA_ABI_VERSION in the sources. */
export function abiVersion() {
  const header = readFileSync(join(here, 'src', 'block_attention.h'), 'utf8');
  return Number(/#define BA_ABI_VERSION (\d+)/.exec(header)[1]);
}

/** Of all platform packages: the ABI, and a digest of what they are made from and with. Equal input, equal version. */
export function packageVersion() {
  const { optionalDependencies } = readManifest(packages.engine);
  const hash = createHash('sha256')
    .update(sourcesDigest())
    .update(JSON.stringify([tools, optionalDependencies]));
  for (const file of [join(here, 'recipe.mjs'), new URL(import.meta.url), new URL('compile.mjs', import.meta.url)]) {
    hash.update(readFileSync(file, 'utf8').replaceAll('\r\n', '\n'));
  }
  return `${abiVersion()}.0.0-k${hash.digest('hex').slice(0, 12)}`;
}

/** The manifest of a platform's package. @param engine the engine's */
export function manifestOf(platform, { license, optionalDependencies }) {
  const { os, cpu, libc, target, ggml } = platform;
  return {
    name: packageName(platform),
    version: packageVersion(),
    description: `The native library of block-attention, compiled for ${platform.name}.`,
    license,
    os: [os],
    cpu: [cpu],
    ...(libc && { libc: [libc] }),
    // Of Yarn: a library is loaded from a file, not from an archive.
    preferUnplugged: true,
    files: [libraryName(os)],
    ...(ggml && { dependencies: { [ggml]: optionalDependencies[ggml] } }),
    blockAttention: { abi: abiVersion(), sources: sourcesDigest(), compiler: `zig ${tools.ziglang}`, target },
  };
}
